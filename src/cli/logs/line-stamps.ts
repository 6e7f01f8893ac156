const NEWLINE = 10;

/** Puts a time before each line of one stream: that at which the first byte of the line came. */
export class LineStamps {
  #isInLine = false;
  #time = NaN;
  #stamp = Buffer.alloc(0);

  /** `time` in milliseconds since the epoch. */
  take(bytes: Buffer, time: number): Buffer {
    const stamp = this.#toStamp(time);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(NEWLINE, at) + 1 || bytes.length;
      if (!this.#isInLine) pieces.push(stamp);
      pieces.push(bytes.subarray(at, end));
      this.#isInLine = bytes[end - 1] !== NEWLINE;
      at = end;
    }
    return Buffer.concat(pieces);
  }

  /** Bytes are missing here: what follows counts as the beginning of a line. */
  skip(): void {
    this.#isInLine = false;
  }

  #toStamp(time: number): Buffer {
    if (time !== this.#time) {
      this.#time = time;
      this.#stamp = Buffer.from(`${new Date(time).toISOString()} `);
    }
    return this.#stamp;
  }
}
