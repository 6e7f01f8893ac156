import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { CutKind, Direction, Fault } from './chaos-plan.ts';

/** Where in the traffic a cut that a test has ordered comes. */
export interface Mark {
  readonly direction: Direction;
  /** Bytes that are looked for, also across reads. */
  readonly text: string;
  /** Whether nothing of the read with the end of the text passes, half of the text, or all of the read. */
  readonly place: 'before' | 'within' | 'after';
}

/** What a connection asks of its proxy, and tells it. */
export interface LinkOwner {
  /** The faults of each direction of this connection; none where it only passes on. */
  readonly plan: ((direction: Direction) => Iterator<Fault, never>) | undefined;
  /** Whether faults still happen. */
  readonly isRough: () => boolean;
  /** Resolves at once but for a frozen proxy. */
  readonly thawed: () => Promise<void>;
  /** The marks that wait for their bytes. */
  readonly marks: () => readonly Mark[];
  /** The answer to a client that is not let through, by its first bytes. */
  readonly refuse: (first: Buffer) => string | undefined;
  /** `mark` where it was one that cut. */
  readonly onCut: (link: ChaosLink, cause: { mark?: Mark; where: string }) => void;
  readonly onClose: (link: ChaosLink) => void;
}

interface Flow {
  readonly direction: Direction;
  readonly from: Socket;
  readonly to: Socket;
  readonly faults: Iterator<Fault, never> | undefined;
  fault: Fault | undefined;
  /** How far the next fault is, and how far the pieces go that one has begun. */
  bytesLeft: number;
  readsLeft: number;
  crumbleLeft: number;
  /** The end of what has passed, as long as any mark. */
  tail: Buffer;
}

/** One connection through a proxy, with what befalls it. Both sides end together. */
export class ChaosLink {
  /** Bytes that were passed on. */
  readonly passed = { up: 0, down: 0 };
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #owner: LinkOwner;
  readonly #ended = new AbortController();

  constructor(sides: { client: Socket; upstream: Socket }, owner: LinkOwner) {
    this.#client = sides.client;
    this.#upstream = sides.upstream;
    this.#owner = owner;
    let open = 2;
    for (const socket of [this.#client, this.#upstream]) {
      socket.setNoDelay(true);
      // The loop below meets it too.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open -= 1;
        if (open === 0) owner.onClose(this);
      });
    }
    void this.#carry(this.#createFlow('up'));
    void this.#carry(this.#createFlow('down'));
  }

  /** Whether anything has passed. */
  get isUsed(): boolean {
    return this.passed.up + this.passed.down > 0;
  }

  cut(kind: CutKind, cause: { mark?: Mark; where: string }): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#owner.onCut(this, cause);
    for (const socket of [this.#client, this.#upstream]) {
      if (kind === 'end') socket.destroySoon();
      else if (socket.remoteFamily === undefined) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  /** Without a word to the owner, as where a side has gone by itself. */
  destroy(): void {
    this.#ended.abort();
    this.#client.destroy();
    this.#upstream.destroy();
  }

  #createFlow(direction: Direction): Flow {
    const sides = [this.#client, this.#upstream] as const;
    const [from, to] = direction === 'up' ? sides : [sides[1], sides[0]];
    const none = { fault: undefined, bytesLeft: Infinity, readsLeft: Infinity, crumbleLeft: 0 };
    const flow = {
      ...none,
      direction,
      from,
      to,
      faults: this.#owner.plan?.(direction),
      tail: Buffer.alloc(0),
    };
    takeNextFault(flow);
    return flow;
  }

  async #carry(flow: Flow): Promise<void> {
    let refusal: string | undefined;
    try {
      for await (const chunk of flow.from.iterator({ destroyOnReturn: false })) {
        await this.#owner.thawed();
        refusal = flow.direction === 'up' ? this.#findRefusal(chunk as Buffer) : undefined;
        if (refusal !== undefined) break;
        const mark = this.#findMark(flow, chunk as Buffer);
        await this.#pass(flow, mark === undefined ? (chunk as Buffer) : mark.allowed);
        if (mark !== undefined) this.cut('reset', { mark: mark.mark, where: this.#where(flow, 'mark') });
        if (this.#ended.signal.aborted) return;
      }
      await this.#owner.thawed();
      if (refusal === undefined) flow.to.end();
      else this.#refuse(refusal);
    } catch {
      // A side has gone: either by a cut, then nothing is left to do, or by itself.
      if (!this.#ended.signal.aborted) this.destroy();
    }
  }

  #findRefusal(first: Buffer): string | undefined {
    return this.passed.up === 0 ? this.#owner.refuse(first) : undefined;
  }

  #refuse(answer: string): void {
    this.#ended.abort();
    this.#upstream.destroy();
    // What is not read would make the end a reset, which may overtake the answer.
    this.#client.resume().end(answer);
  }

  /** The first mark whose bytes end in this chunk, and what passes of it. */
  #findMark(flow: Flow, chunk: Buffer): { mark: Mark; allowed: Buffer } | undefined {
    const marks = this.#owner.marks().filter(({ direction }) => direction === flow.direction);
    if (marks.length === 0) {
      flow.tail = Buffer.alloc(0);
      return undefined;
    }
    const seen = Buffer.concat([flow.tail, chunk]);
    for (const mark of marks) {
      const at = seen.indexOf(mark.text);
      if (at === -1) continue;
      const middle = Math.max(0, at + Math.floor(mark.text.length / 2) - flow.tail.length);
      const length = { before: 0, within: middle, after: chunk.length }[mark.place];
      return { mark, allowed: chunk.subarray(0, length) };
    }
    flow.tail = seen.subarray(-Math.max(...marks.map(({ text }) => text.length - 1)));
    return undefined;
  }

  async #pass(flow: Flow, chunk: Buffer): Promise<void> {
    flow.readsLeft -= 1;
    for (let rest = chunk; rest.length > 0 && !this.#ended.signal.aborted;) {
      const isCrumbling = flow.crumbleLeft > 0;
      const limit = isCrumbling ? Math.min(flow.crumbleLeft, flow.fault!.pieceBytes) : flow.bytesLeft;
      const piece = rest.subarray(0, limit);
      rest = rest.subarray(piece.length);
      await write(flow.to, piece);
      this.passed[flow.direction] += piece.length;
      if (isCrumbling) await this.#afterPiece(flow, piece.length);
      else {
        flow.bytesLeft -= piece.length;
        if (flow.bytesLeft === 0 || (flow.readsLeft <= 0 && rest.length === 0)) await this.#beginFault(flow);
      }
    }
  }

  async #beginFault(flow: Flow): Promise<void> {
    const fault = flow.fault;
    if (fault === undefined || !this.#owner.isRough()) {
      Object.assign(flow, { bytesLeft: Infinity, readsLeft: Infinity });
      return;
    }
    if (fault.stallMs > 0) await this.#wait(fault.stallMs);
    flow.crumbleLeft = fault.crumbleBytes;
    if (flow.crumbleLeft === 0) this.#endFault(flow, fault);
  }

  /** Each piece in a turn of its own, so that it is read alone by a reader who is awake. */
  async #afterPiece(flow: Flow, length: number): Promise<void> {
    flow.crumbleLeft -= length;
    await this.#wait(flow.fault!.pieceMs);
    if (flow.crumbleLeft === 0) this.#endFault(flow, flow.fault!);
  }

  #endFault(flow: Flow, { cut }: Fault): void {
    if (cut !== undefined && this.#owner.isRough()) this.cut(cut, { where: this.#where(flow, cut) });
    else takeNextFault(flow);
  }

  #wait(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#ended.signal });
  }

  #where({ direction }: Flow, what: string): string {
    return `${what} after ${this.passed[direction]} bytes ${direction}`;
  }
}

function takeNextFault(flow: Flow): void {
  if (flow.faults === undefined) return;
  const { value } = flow.faults.next();
  Object.assign(flow, { fault: value, bytesLeft: value.afterBytes, readsLeft: value.afterReads });
}

/** Resolves when the kernel has the bytes: what a cut comes after has left this process. */
function write(to: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
