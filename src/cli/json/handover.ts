import type { StdinSource } from '../../client/stdin-source.ts';

/** Bytes from one who has them to one who asks for them, piece by piece, with nothing kept in between. */
export class Handover implements StdinSource {
  #asking: { take: (chunk: Buffer | null) => void; fail: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #isOver = false;
  #wake: () => void = () => undefined;

  read(): Promise<Buffer | null> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isOver) return Promise.resolve(null);
    const chunk = new Promise<Buffer | null>((take, fail) => {
      this.#asking = { take, fail };
    });
    this.#wake();
    return chunk;
  }

  /** Nobody wants more. */
  destroy(): void {
    this.#isOver = true;
    this.#answer(null);
    this.#wake();
  }

  /** Resolves when more is asked for, which is when the bytes have been passed on, or when nobody wants them. */
  async give(bytes: Buffer): Promise<void> {
    await this.#asked();
    this.#answer(bytes);
    await this.#asked();
  }

  /** There is no more. */
  async end(): Promise<void> {
    await this.#asked();
    this.#isOver = true;
    this.#answer(null);
  }

  fail(error: Error): void {
    if (this.#isOver) return;
    this.#failure = error;
    this.#asking?.fail(error);
    this.#asking = undefined;
  }

  #answer(chunk: Buffer | null): void {
    const asking = this.#asking;
    this.#asking = undefined;
    asking?.take(chunk);
  }

  #asked(): Promise<void> {
    if (this.#isOver || this.#asking !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
