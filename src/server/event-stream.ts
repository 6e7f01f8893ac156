import type { ServerResponse } from 'node:http';
import { HEARTBEAT_MS } from '../protocol/api.ts';
import {
  formatEvent,
  formatOutputEvent,
  MAX_EVENT_BYTES,
  type ExecEvent,
  type TerminalEvent,
  type OutputEvent,
  type StreamBytes,
} from '../protocol/events.ts';
import type { LogPiece } from './exec-log.ts';
import type { Turns, TurnTaker } from './turns.ts';

/** What an event stream tells the exec that it shows. */
export interface EventSource {
  next(offsets: StreamBytes, limit: number): LogPiece | undefined;
  /** The terminal event, once there is one. */
  terminal(): TerminalEvent | undefined;
  /** The socket took everything up to these offsets. */
  onSent(offsets: StreamBytes): void;
  /** The connection has gone, or the stream was completed. */
  onClosed(stream: EventStream): void;
}

const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // Tells nginx not to hold events back.
  'x-accel-buffering': 'no',
};

/**
 * One connection that shows an exec as Server-Sent Events. Output goes in the order of its positions and as far as the
 * socket takes it; events without payload go at once; after the terminal event the stream is complete.
 */
export class EventStream implements TurnTaker {
  readonly #response: ServerResponse;
  readonly #source: EventSource;
  readonly #turns: Turns;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #sent: Record<keyof StreamBytes, number>;
  #isBlocked = false;
  #isClosed = false;
  #isQuiet = true;

  constructor(response: ServerResponse, source: EventSource, options: { turns: Turns; from: StreamBytes }) {
    this.#response = response;
    this.#source = source;
    this.#turns = options.turns;
    this.#sent = { ...options.from };
    response.writeHead(200, HEADERS);
    response.on('drain', () => {
      this.#isBlocked = false;
      this.wake();
    });
    response.on('close', () => {
      this.#close();
    });
    // The client may have left before there was anything to show it, and leaves no second time.
    if (response.destroyed || response.socket === null || response.socket.destroyed) {
      setImmediate(() => {
        this.#close();
      });
    }
    this.#heartbeat = setInterval(() => {
      if (this.#isQuiet) this.send({ type: 'heartbeat' });
      this.#isQuiet = true;
    }, HEARTBEAT_MS);
  }

  /** True while the socket does not take what there is to send. */
  get isBehind(): boolean {
    return this.#isBlocked || this.#turns.isWaiting(this);
  }

  /** Sends an event without payload, before output that waits. */
  send(event: Exclude<ExecEvent, OutputEvent>): void {
    if (!this.#isClosed) this.#write(formatEvent(event));
  }

  /** There is something new in the log, or the terminal event. */
  wake(): void {
    if (!this.#isClosed && !this.#isBlocked) this.#turns.request(this);
  }

  takeTurn(limit: number): { bytes: number; isDone: boolean } {
    // One write(2) for a turn, however many events it has.
    this.#response.cork();
    try {
      return this.#sendUpTo(limit);
    } finally {
      this.#response.uncork();
    }
  }

  #sendUpTo(limit: number): { bytes: number; isDone: boolean } {
    let bytes = 0;
    while (bytes < limit && !this.#isBlocked) {
      const piece = this.#source.next(this.#sent, MAX_EVENT_BYTES);
      if (piece === undefined) {
        this.#complete();
        return { bytes, isDone: true };
      }
      bytes += this.#sendPiece(piece);
    }
    this.#source.onSent(this.#sent);
    return { bytes, isDone: this.#isBlocked };
  }

  /** Ends the connection without a terminal event: the server goes. */
  destroy(): void {
    this.#response.destroy();
  }

  #sendPiece({ stream, position, offset, time, bytes }: LogPiece): number {
    const from = this.#sent[stream];
    // A watcher that fell behind: what it has not seen was acknowledged by the owner client and let go of.
    if (offset > from) this.send({ type: 'gap', stream, from, to: offset });
    this.#write(formatOutputEvent({ type: stream, position: position + bytes.length, offset, time, bytes }));
    this.#sent[stream] = offset + bytes.length;
    return bytes.length;
  }

  #complete(): void {
    this.#source.onSent(this.#sent);
    const terminal = this.#source.terminal();
    if (terminal === undefined || this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
    this.#response.end(formatEvent(terminal));
    this.#source.onClosed(this);
  }

  #write(text: string): void {
    this.#isQuiet = false;
    // ASCII by construction, and latin1 is the encoding that costs least.
    if (!this.#response.write(text, 'latin1')) this.#isBlocked = true;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
    this.#source.onClosed(this);
  }

  #release(): void {
    clearInterval(this.#heartbeat);
    this.#turns.forget(this);
  }
}
