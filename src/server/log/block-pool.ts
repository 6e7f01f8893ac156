/** Blocks of one size, used again: a new one for every read would leave gigabytes to the garbage collector. */
export class BlockPool {
  readonly #size: number;
  readonly #most: number;
  readonly #free: Buffer[] = [];

  constructor(options: { size: number; most: number }) {
    this.#size = options.size;
    this.#most = options.most;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size);
  }

  /** Gives a block back, which nobody may read any more. What is no block of this pool is left to the collector. */
  give(block: Buffer): void {
    if (block.length === this.#size && this.#free.length < this.#most) this.#free.push(block);
  }
}
