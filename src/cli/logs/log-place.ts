import type { Gap } from '../../client/output-lane.ts';
import type { OutputStream } from '../../protocol/events.ts';

/** Bytes of one stream as they are shown. */
export interface ShownBytes {
  readonly stream: OutputStream;
  /** Of the first byte, in its stream. */
  readonly offset: number;
  /** When they came, in milliseconds since the epoch. */
  readonly time: number;
  readonly bytes: Buffer;
}

/** Where what is shown of a log goes. */
export interface LogPlace {
  /** Both streams go to one place. */
  readonly isOrdered: boolean;
  /** `written` is called when the bytes are with the reader, or when nobody can have them. */
  write(shown: ShownBytes, written: () => void): void;
  /** Bytes of a stream are missing: what follows counts as the beginning of a line. */
  skip(stream: OutputStream): void;
  /** Says which bytes are missing before what comes next; `told` as `written`. */
  tellGap(gap: Gap, told: () => void): void;
  /** Flushes. @throws SbxError `output_failed` where a part was not written */
  finish(): Promise<void>;
  /** Lets go at once, of what is not written as well. */
  abandon(): void;
}
