import { ByteBlock } from '../protocol/byte-block.ts';
import type { GapEvent, OutputEvent } from '../protocol/events.ts';

/** Bytes of one stream: `offset` of the first, and when the server read them, in milliseconds since the epoch. */
export type OutputChunk = Pick<OutputEvent, 'type' | 'offset' | 'time' | 'bytes'>;

/** Bytes that are kept nowhere any more. */
export type Gap = Pick<GapEvent, 'stream' | 'from' | 'to'>;

/** Where what a lane brings goes, one thing at a time: `done` is called when the next may come. */
export interface LaneEnd {
  takeOutput(chunk: OutputChunk, done: () => void): void;
  takeGap(gap: Gap, done: () => void): void;
  /** One of these threw. */
  onFailure(error: Error): void;
}

type Waiting = (Omit<OutputChunk, 'bytes'> & { readonly block: ByteBlock }) | Gap;

/** From this many pieces on, those that follow one another are joined whatever their time, as in the server's log. */
const MANY = 1024;

/**
 * The way of output from a connection to who writes it. Who is behind gets what came meanwhile in few large pieces: a
 * command that writes byte by byte to a reader that has paused costs the bytes and nothing for each.
 */
export class OutputLane {
  readonly #end: LaneEnd;
  readonly #waiting: Waiting[] = [];
  /** Something was given and is not done with. */
  #isBusy = false;
  #isGiving = false;
  #isHurried = false;
  #hasFailed = false;

  constructor(end: LaneEnd) {
    this.#end = end;
  }

  /** Bytes that follow those before; they are copied where they have to wait. */
  pushOutput(chunk: OutputChunk): void {
    if (this.#isFree) this.#give(chunk);
    else if (!this.#joinOutput(chunk)) {
      const { bytes, ...place } = chunk;
      this.#waiting.push({ ...place, block: new ByteBlock(bytes) });
    }
  }

  pushGap(gap: Gap): void {
    if (this.#isFree) this.#give(gap);
    else if (!this.#joinGap(gap)) this.#waiting.push(gap);
  }

  /** Nothing more will come: gives all there is, whoever is behind. */
  hurry(): void {
    this.#isHurried = true;
    this.#giveWaiting();
  }

  get #isFree(): boolean {
    return !this.#isBusy && this.#waiting.length === 0;
  }

  #joinOutput({ type, time, bytes }: OutputChunk): boolean {
    const last = this.#waiting.at(-1);
    if (last === undefined || !('block' in last) || last.type !== type) return false;
    return (last.time === time || this.#waiting.length >= MANY) && last.block.append(bytes);
  }

  #joinGap({ stream, to }: Gap): boolean {
    const last = this.#waiting.at(-1);
    if (last === undefined || 'block' in last || last.stream !== stream) return false;
    this.#waiting[this.#waiting.length - 1] = { stream, from: last.from, to };
    return true;
  }

  #giveWaiting(): void {
    // What is done with at once does not come here again.
    if (this.#isGiving) return;
    this.#isGiving = true;
    while (!this.#isBusy || this.#isHurried) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if ('block' in next) {
        const { block, ...place } = next;
        this.#give({ ...place, bytes: block.bytes });
      } else this.#give(next);
    }
    this.#isGiving = false;
  }

  #give(next: OutputChunk | Gap): void {
    if (this.#hasFailed) return;
    this.#isBusy = true;
    try {
      if ('bytes' in next) this.#end.takeOutput(next, this.#done);
      else this.#end.takeGap(next, this.#done);
    } catch (error) {
      this.#hasFailed = true;
      this.#end.onFailure(error as Error);
    }
  }

  readonly #done = (): void => {
    this.#isBusy = false;
    this.#giveWaiting();
  };
}
