import type { StdinSource } from './stdin-source.ts';

/** Bytes of stdin, and the offset of the first of them. */
export interface StdinPiece {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Pieces smaller than this are joined in blocks of this size, so that a talk line by line costs no memory a line. */
const SMALL = 4096;

interface Kept {
  readonly offset: number;
  readonly buffer: Buffer;
  length: number;
}

/**
 * The stdin of a session, which outlives the connection it is sent on: what the server is not known to have accepted
 * is kept, and sent again on the next connection.
 */
export class StdinQueue {
  readonly #source: StdinSource;
  readonly #isKeeping: boolean;
  #kept: Kept[] = [];
  /** The offset after all that was read. */
  #end = 0;
  #accepted = 0;
  /** The offset after all that was sent, on whatever connection. */
  #sent = 0;
  #hasEnded = false;
  #isStopped = false;
  #reading: Promise<void> | undefined;
  #failure: Error | undefined;
  /** The one that is asked for pieces now. */
  #cursor: StdinCursor | undefined;

  /** `isKeeping`: false where no connection follows the first. */
  constructor(source: StdinSource, { isKeeping }: { isKeeping: boolean }) {
    this.#source = source;
    this.#isKeeping = isKeeping;
  }

  /** Begins with what is not accepted; a cursor of before gives nothing any more. */
  open(): StdinCursor {
    this.#cursor = new StdinCursor(this, this.#accepted);
    return this.#cursor;
  }

  /** Another client has fed the exec up to this offset: what was not sent yet goes behind it. */
  continueFrom(offset: number): void {
    const from = Math.max(this.#sent, this.#accepted);
    const unsent = this.#kept.map((kept) =>
      kept.buffer.subarray(Math.max(0, from - kept.offset), kept.length),
    );
    this.#kept = [];
    this.#accepted = offset;
    this.#sent = offset;
    this.#end = offset;
    for (const chunk of unsent) if (chunk.length > 0) this.#keep(chunk);
  }

  /** The server has all before this offset. */
  accept(offset: number): void {
    // More than was read here came from another client, while we were cut off.
    if (offset > this.#end) {
      this.continueFrom(offset);
      return;
    }
    this.#accepted = Math.max(this.#accepted, offset);
    const first = this.#kept.findIndex((kept) => kept.offset + kept.length > this.#accepted);
    if (first === -1) this.#kept = [];
    else if (first > 0) this.#kept.splice(0, first);
  }

  /** Nothing is sent for now: another client feeds the exec. */
  rest(): void {
    this.#cursor = undefined;
  }

  /** Nobody can read more of it: the source is closed, so that its writer meets SIGPIPE. */
  stop(): void {
    this.#isStopped = true;
    this.#kept = [];
    this.#source.destroy();
  }

  /** For a cursor: what stands at `offset`; null at the end, undefined where the cursor is not to go on. */
  async pieceAt(cursor: StdinCursor, offset: number): Promise<StdinPiece | null | undefined> {
    for (;;) {
      if (this.#isStopped || this.#cursor !== cursor) return undefined;
      // Who asks for more has sent what it was given.
      this.#sent = Math.max(this.#sent, offset);
      // What was accepted meanwhile need not be sent again.
      const at = Math.max(offset, this.#accepted);
      if (at < this.#end) return this.#find(at);
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded) return null;
      // A read that was under way when the connection was cut is not lost: its bytes are kept.
      this.#reading ??= this.#read();
      await this.#reading;
    }
  }

  async #read(): Promise<void> {
    try {
      const chunk = await this.#source.read();
      if (chunk === null) this.#hasEnded = true;
      else this.#keep(chunk);
    } catch (error) {
      this.#failure = error as Error;
    } finally {
      this.#reading = undefined;
    }
  }

  #keep(chunk: Buffer): void {
    const offset = this.#end;
    this.#end += chunk.length;
    const last = this.#kept.at(-1);
    if (!this.#isKeeping) this.#kept = [{ offset, buffer: chunk, length: chunk.length }];
    else if (last !== undefined && last.length + chunk.length <= last.buffer.length) {
      chunk.copy(last.buffer, last.length);
      last.length += chunk.length;
    } else this.#kept.push({ offset, buffer: toBlock(chunk), length: chunk.length });
  }

  #find(offset: number): StdinPiece | undefined {
    // The last one, but after a cut.
    const kept = this.#kept.findLast((one) => one.offset <= offset);
    if (kept === undefined) throw new Error(`stdin at ${offset} is not kept any more`);
    return { offset, bytes: kept.buffer.subarray(offset - kept.offset, kept.length) };
  }
}

function toBlock(chunk: Buffer): Buffer {
  if (chunk.length >= SMALL / 2) return chunk;
  const block = Buffer.allocUnsafe(SMALL);
  chunk.copy(block);
  return block;
}

/** What is left to send on one connection. */
export class StdinCursor {
  readonly #queue: StdinQueue;
  #offset: number;

  constructor(queue: StdinQueue, offset: number) {
    this.#queue = queue;
    this.#offset = offset;
  }

  /** Where the next piece begins. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * The next bytes, as they arrive; null at the end, undefined where nothing more is to be sent on this connection.
   * They are valid until they are accepted.
   * @throws SbxError `input_failed`
   */
  async next(): Promise<StdinPiece | null | undefined> {
    const piece = await this.#queue.pieceAt(this, this.#offset);
    if (piece) this.#offset = piece.offset + piece.bytes.length;
    return piece;
  }
}
