/** Where the bytes of stdin come from. */
export interface StdinSource {
  /** The next bytes as they arrive, or null at the end. @throws SbxError `input_failed` */
  read(): Promise<Buffer | null>;
  /** Stops reading and closes the source, so that its writer meets SIGPIPE. A read under way gives null. */
  destroy(): void;
}
