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
  /** Where what is sent from here begins: at 0, or behind what another client has fed. */
  #begin = 0;
  #hasEnded = false;
  #isStopped = false;
  #isReading = false;
  #failure: Error | undefined;
  /** The one that is asked for pieces now. */
  #cursor: StdinCursor | undefined;
  /** Lets a cursor look again that waits, for a read or to hear that its turn is over. */
  #wake: () => void = () => undefined;

  /** `isKeeping`: false where no connection follows the first. */
  constructor(source: StdinSource, { isKeeping }: { isKeeping: boolean }) {
    this.#source = source;
    this.#isKeeping = isKeeping;
  }

  /** Begins with what is not accepted; a cursor of before gives nothing any more. */
  open(): StdinCursor {
    this.#cursor = new StdinCursor(this, this.#accepted);
    this.#wake();
    return this.#cursor;
  }

  /**
   * The server has all before `accepted`, of which what is before `fed` came from here: the rest of ours goes behind what
   * another client has fed. A server that does not say how far that is has all that it can have.
   */
  continueFrom(accepted: number, fed = Math.min(accepted, this.#end)): void {
    // It is told until something of ours has arrived: by then we may have gone on from there.
    const own = fed < this.#begin ? accepted : fed;
    this.accept(own);
    if (accepted <= own) return;
    const rest = this.#kept.map(({ offset, buffer, length }) =>
      buffer.subarray(Math.max(0, own - offset), length),
    );
    this.#kept = [];
    this.#accepted = accepted;
    this.#begin = accepted;
    this.#end = accepted;
    for (const chunk of rest) if (chunk.length > 0) this.#keep(chunk);
  }

  /** The server has all before this offset, and all of it came from here. */
  accept(offset: number): void {
    this.#accepted = Math.max(this.#accepted, offset);
    const first = this.#kept.findIndex((kept) => kept.offset + kept.length > this.#accepted);
    if (first === -1) this.#kept = [];
    else if (first > 0) this.#kept.splice(0, first);
  }

  /** Nothing is sent for now: another client feeds the exec. */
  rest(): void {
    this.#cursor = undefined;
    this.#wake();
  }

  /** Nobody can read more of it: the source is closed, so that its writer meets SIGPIPE. */
  stop(): void {
    this.#isStopped = true;
    this.#kept = [];
    this.#source.destroy();
    this.#wake();
  }

  /** For a cursor: what stands at `offset`; null at the end, undefined where the cursor is not to go on. */
  async pieceAt(cursor: StdinCursor, offset: number): Promise<StdinPiece | null | undefined> {
    for (;;) {
      if (this.#isStopped || this.#cursor !== cursor) return undefined;
      // What was accepted meanwhile need not be sent again.
      const at = Math.max(offset, this.#accepted);
      if (at < this.#end) return this.#find(at);
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#hasEnded) return null;
      // A read that was under way when the connection was cut is not lost: its bytes are kept.
      if (!this.#isReading) void this.#read();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      const chunk = await this.#source.read();
      if (chunk === null) this.#hasEnded = true;
      else this.#keep(chunk);
    } catch (error) {
      this.#failure = error as Error;
    } finally {
      this.#isReading = false;
      this.#wake();
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
