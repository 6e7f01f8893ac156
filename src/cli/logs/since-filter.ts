const NEWLINE = 10;

/** Of one stream, the lines whose first byte came at a time or later. */
export class SinceFilter {
  readonly #since: number;
  /** Where the last chunk ended within a line: whether that line is shown. */
  #open: boolean | undefined;

  /** `since` in milliseconds since the epoch. */
  constructor(since: number) {
    this.#since = since;
  }

  /** The part of a chunk that is shown; its `time` as that of the constructor. */
  take(bytes: Buffer, time: number): Buffer {
    const isShown = time >= this.#since;
    const head = this.#open === undefined ? 0 : bytes.indexOf(NEWLINE) + 1 || bytes.length;
    const isHeadShown = head > 0 && this.#open === true;
    if (bytes.length > head) this.#open = isShown;
    if (bytes[bytes.length - 1] === NEWLINE) this.#open = undefined;
    return bytes.subarray(isHeadShown ? 0 : head, isShown ? bytes.length : head);
  }

  /** Bytes are missing here: what follows counts as the beginning of a line. */
  skip(): void {
    this.#open = undefined;
  }
}
