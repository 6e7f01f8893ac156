import { OUTPUT_STREAMS, type OutputStream, type StreamBytes } from '../../protocol/events.ts';

const NEWLINE = 10;

/**
 * Finds where the last lines begin, in the order in which their first bytes came over all streams, from bytes that it
 * does not keep: it needs 8 bytes of memory a line.
 */
export class TailCounter {
  /** Beginnings of lines, the oldest overwritten first: twice the offset, and 1 more for stderr. */
  readonly #starts: Float64Array;
  #count = 0;
  readonly #isInLine = { stdout: false, stderr: false };

  constructor(lines: number) {
    this.#starts = new Float64Array(lines);
  }

  /** Takes the next bytes of a stream, the first of which is at `offset`. */
  take(stream: OutputStream, offset: number, bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      if (!this.#isInLine[stream]) this.#push(stream, offset + at);
      const end = bytes.indexOf(NEWLINE, at);
      this.#isInLine[stream] = end === -1;
      at = end === -1 ? bytes.length : end + 1;
    }
  }

  /** Bytes of a stream are missing here: what follows counts as the beginning of a line. */
  skip(stream: OutputStream): void {
    this.#isInLine[stream] = false;
  }

  /** The offset in each stream from which the lines are; `end` for a stream that has none of them. */
  toOffsets(end: StreamBytes): StreamBytes {
    const offsets = { ...end };
    for (const start of this.#starts.subarray(0, this.#count)) {
      const stream = OUTPUT_STREAMS[start % 2] as OutputStream;
      offsets[stream] = Math.min(offsets[stream], Math.floor(start / 2));
    }
    return offsets;
  }

  #push(stream: OutputStream, offset: number): void {
    if (this.#starts.length === 0) return;
    this.#starts[this.#count % this.#starts.length] = 2 * offset + OUTPUT_STREAMS.indexOf(stream);
    this.#count += 1;
  }
}
