import { STDIN_WINDOW } from '../protocol/api.ts';
import { formatStdinHead } from '../protocol/frames.ts';
import type { StdinSource } from './stdin-source.ts';
import type { UpgradedConnection } from './transport.ts';

/** Sends stdin on a channel, each chunk as it arrives, as far as the server has said that it takes it. */
export class StdinSender {
  #limit = STDIN_WINDOW;
  #offset = 0;
  #source: StdinSource | undefined;
  #isStopped = false;
  #wake: () => void = () => undefined;

  /** Resolves with the offset of the end, or undefined where nobody can read more of it. */
  async run(source: StdinSource, connection: UpgradedConnection): Promise<number | undefined> {
    this.#source = source;
    while (!this.#hasStopped()) {
      const chunk = await source.read();
      if (this.#hasStopped()) break;
      if (chunk === null) return this.#offset;
      await this.#send(chunk, connection);
    }
    return undefined;
  }

  allow(limit: number): void {
    this.#limit = limit;
    this.#wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#source?.destroy();
    this.#wake();
  }

  async #send(chunk: Buffer, connection: UpgradedConnection): Promise<void> {
    for (let rest = chunk; rest.length > 0 && !this.#hasStopped();) {
      const piece = rest.subarray(0, this.#limit - this.#offset);
      if (piece.length === 0) {
        await this.#allowed();
        continue;
      }
      rest = rest.subarray(piece.length);
      const hasRoom = connection.write([formatStdinHead(this.#offset, piece.length), piece]);
      this.#offset += piece.length;
      if (!hasRoom) await connection.drained();
    }
  }

  #allowed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #hasStopped(): boolean {
    return this.#isStopped;
  }
}
