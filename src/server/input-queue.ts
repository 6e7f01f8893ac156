import type { InputPipe } from '../drivers/driver.ts';
import { ByteBlock } from '../protocol/byte-block.ts';

/** Pieces from this size on wait as they are; smaller ones are joined. */
const LARGE = 16 * 1024;

/**
 * What is on its way into the pipe of a command, one write at a time. What comes meanwhile waits in blocks: a million
 * bytes that came one by one would be a million buffers and callbacks behind a command that does not read.
 */
export class InputQueue {
  /** So many bytes are in the pipe, or belong to nobody any more. */
  readonly #onFlushed: (length: number) => void;
  #pipe: InputPipe | undefined;
  #waiting: (ByteBlock | Buffer)[] = [];
  #isWriting = false;
  #isEnded = false;

  constructor(onFlushed: (length: number) => void) {
    this.#onFlushed = onFlushed;
  }

  /** There is the pipe, for what has come before and what comes from now on. */
  connect(pipe: InputPipe): void {
    this.#pipe = pipe;
    this.#proceed();
  }

  /** Takes bytes, which must not change: they are not copied where that can be helped. */
  push(bytes: Buffer): void {
    if (this.#pipe !== undefined && !this.#isWriting && this.#waiting.length === 0)
      this.#write(this.#pipe, bytes);
    else this.#keep(bytes);
  }

  /** EOF, behind all that was pushed. */
  end(): void {
    this.#isEnded = true;
    this.#proceed();
  }

  /** Drops what waits. */
  destroy(): void {
    const dropped = this.#waiting.reduce((sum, one) => sum + toBytes(one).length, 0);
    this.#waiting = [];
    this.#pipe?.destroy();
    this.#onFlushed(dropped);
  }

  #keep(bytes: Buffer): void {
    if (bytes.length >= LARGE) {
      this.#waiting.push(bytes);
      return;
    }
    const last = this.#waiting.at(-1);
    if (!(last instanceof ByteBlock) || !last.append(bytes)) this.#waiting.push(new ByteBlock(bytes));
  }

  #proceed(): void {
    if (this.#pipe === undefined || this.#isWriting) return;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#write(this.#pipe, toBytes(next));
    else if (this.#isEnded) this.#pipe.end();
  }

  #write(pipe: InputPipe, bytes: Buffer): void {
    this.#isWriting = true;
    pipe.write(bytes, () => {
      this.#isWriting = false;
      this.#onFlushed(bytes.length);
      this.#proceed();
    });
  }
}

function toBytes(waiting: ByteBlock | Buffer): Buffer {
  return waiting instanceof ByteBlock ? waiting.bytes : waiting;
}
