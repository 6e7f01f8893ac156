/** How large a block grows. */
const MOST = 64 * 1024;

/** Bytes that are gathered in one buffer, so that many small pieces take no more memory than a large one. */
export class ByteBlock {
  #buffer: Buffer;
  #length: number;

  /** Copies the bytes. */
  constructor(bytes: Buffer) {
    this.#buffer = Buffer.from(bytes);
    this.#length = bytes.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Copies the bytes behind the others. False, and nothing is done, where they would make the block too large. */
  append(bytes: Buffer): boolean {
    const length = this.#length + bytes.length;
    if (length > MOST) return false;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(2 * length, MOST));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
    return true;
  }
}
