/** The longest line that is kept, in bytes without its newline. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

const FIRST_ROOM = 4096;

export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Without the newline; undefined for a line that was longer than {@link MAX_LINE_BYTES}, of which nothing is kept. */
  readonly bytes: Buffer | undefined;
}

/** Splits bytes that come in any pieces into lines. What is kept is one line at most. */
export class LineSplitter {
  #number = 0;
  #room = Buffer.alloc(0);
  /** Bytes of the line that has begun; of a line that is too long only the number is right. */
  #length = 0;

  /** The lines that end in the chunk; each is valid as long as the chunk is. */
  *push(chunk: Buffer): Generator<Line, void> {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      const rest = chunk.subarray(start, end);
      start = end + 1;
      yield this.#complete(rest);
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last line, where no newline ends it. */
  end(): Line | undefined {
    return this.#length === 0 ? undefined : this.#complete(Buffer.alloc(0));
  }

  #complete(rest: Buffer): Line {
    this.#number += 1;
    const number = this.#number;
    if (this.#length === 0 && rest.length <= MAX_LINE_BYTES) return { number, bytes: rest };
    this.#keep(rest);
    const bytes = this.#length > MAX_LINE_BYTES ? undefined : this.#room.subarray(0, this.#length);
    this.#room = Buffer.alloc(0);
    this.#length = 0;
    return { number, bytes };
  }

  #keep(part: Buffer): void {
    const before = this.#length;
    this.#length += part.length;
    if (this.#length > MAX_LINE_BYTES) this.#room = Buffer.alloc(0);
    else {
      if (this.#length > this.#room.length) this.#grow();
      part.copy(this.#room, before);
    }
  }

  /** Twice as much each time: a long line that comes byte by byte costs no more than its length. */
  #grow(): void {
    const room = Buffer.allocUnsafe(Math.max(FIRST_ROOM, this.#room.length * 2, this.#length));
    this.#room.copy(room);
    this.#room = room;
  }
}
