import type { GapEvent, OutputStream } from '../../protocol/events.ts';

type Gap = Pick<GapEvent, 'stream' | 'from' | 'to'>;

/**
 * Tells of bytes that are missing. The server tells of a gap however slow its reader is: what goes missing while a line
 * about it waits to be read is told in one more line, and not in one for each event.
 */
export class GapTeller {
  readonly #write: (gap: Gap, written: () => void) => void;
  readonly #next: Record<OutputStream, Gap | undefined> = { stdout: undefined, stderr: undefined };
  readonly #unwritten = { stdout: 0, stderr: 0 };

  constructor(write: (gap: Gap, written: () => void) => void) {
    this.#write = write;
  }

  tell({ stream, from, to }: Gap): void {
    this.#next[stream] = { stream, from: this.#next[stream]?.from ?? from, to };
    if (this.#unwritten[stream] === 0) this.flush(stream);
  }

  /** To be called before what comes behind the gap is written. */
  flush(stream: OutputStream): void {
    const gap = this.#next[stream];
    if (gap === undefined) return;
    this.#next[stream] = undefined;
    this.#unwritten[stream] += 1;
    this.#write(gap, () => {
      this.#unwritten[stream] -= 1;
      if (this.#unwritten[stream] === 0) this.flush(stream);
    });
  }
}
