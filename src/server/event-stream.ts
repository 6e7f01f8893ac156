import type { Writable } from 'node:stream';
import { HEARTBEAT_MS } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { ExecEvent, OutputEvent, StreamBytes, TerminalEvent } from '../protocol/events.ts';
import type { EventFormat } from './event-format.ts';
import type { LogPiece } from './log/exec-log.ts';
import type { Next } from './log/log-cursor.ts';
import type { Turns, TurnTaker } from './turns.ts';

/** What an event stream tells the exec that it shows. */
export interface EventSource {
  /** @throws SbxError which is sent in place of the terminal event */
  next(offsets: StreamBytes, limit: number): Next;
  /** The terminal event, once there is one. */
  terminal(): TerminalEvent | undefined;
  /** The socket took everything up to these offsets. */
  onSent(offsets: StreamBytes): void;
  /** The terminal event was sent, which is not to say that it arrived. */
  onCompleted(): void;
  /** The connection has gone. */
  onClosed(): void;
}

export interface EventStreamOptions {
  /**
   * The connection below the sink, which is corked in its place: Node 22 and 24 forget to tell that a corked answer has
   * drained, and lose what is given to its end(). Undefined where it has gone.
   */
  readonly connection: Writable | undefined;
  readonly turns: Turns;
  readonly format: EventFormat;
  readonly from: StreamBytes;
  /** The client left before there was anything to show it, and leaves no second time. */
  readonly isGone: boolean;
}

/** Opens a stream that shows a source, from these offsets on. */
export type OpenStream = (source: EventSource, from: StreamBytes) => EventStream;

/**
 * One connection that shows an exec as a stream of events. Output goes in the order of its positions and as far as the
 * socket takes it; events without payload go at once; after the terminal event the stream is complete.
 */
export class EventStream implements TurnTaker {
  readonly #sink: Writable;
  readonly #connection: Writable | undefined;
  readonly #source: EventSource;
  readonly #turns: Turns;
  readonly #format: EventFormat;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #sent: Record<keyof StreamBytes, number>;
  #isBlocked = false;
  #isCompleted = false;
  #isClosed = false;
  #isQuiet = true;

  constructor(sink: Writable, source: EventSource, options: EventStreamOptions) {
    this.#sink = sink;
    this.#source = source;
    this.#connection = options.connection;
    this.#turns = options.turns;
    this.#format = options.format;
    this.#sent = { ...options.from };
    sink.on('drain', () => {
      this.#isBlocked = false;
      this.wake();
    });
    sink.on('close', () => {
      this.#close();
    });
    if (options.isGone) {
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
    if (!this.#isOver) this.#write(this.#format.event(event));
  }

  /** There is something new in the log, or the terminal event. */
  wake(): void {
    if (!this.#isOver && !this.#isBlocked) this.#turns.request(this);
  }

  takeTurn(limit: number): { bytes: number; isDone: boolean } {
    // One write(2) for a turn, however many events it has.
    this.#connection?.cork();
    try {
      return this.#sendUpTo(limit);
    } catch (error) {
      if (!(error instanceof SbxError)) throw error;
      this.#end({ type: 'error', error: error.toBody() });
      return { bytes: 0, isDone: true };
    } finally {
      this.#connection?.uncork();
    }
  }

  #sendUpTo(limit: number): { bytes: number; isDone: boolean } {
    let bytes = 0;
    while (bytes < limit && !this.#isBlocked) {
      const piece = this.#source.next(this.#sent, this.#format.most);
      if (piece === 'later') break;
      if (piece === undefined) {
        this.#complete();
        return { bytes, isDone: true };
      }
      bytes += this.#sendPiece(piece);
    }
    this.#source.onSent(this.#sent);
    return { bytes, isDone: bytes < limit };
  }

  /** Ends the connection without a terminal event: the server goes. */
  destroy(): void {
    this.#sink.destroy();
  }

  #sendPiece({ stream, position, offset, time, bytes }: LogPiece): number {
    const from = this.#sent[stream];
    // A watcher that fell behind: what it has not seen is kept nowhere.
    if (offset > from) this.send({ type: 'gap', stream, from, to: offset });
    this.#sent[stream] = offset;
    if (bytes.length > 0) {
      const isInOrder = position === this.#sent.stdout + this.#sent.stderr;
      const end = position + bytes.length;
      this.#write(this.#format.output({ type: stream, position: end, offset, time, bytes }, isInOrder));
      this.#sent[stream] += bytes.length;
    }
    return bytes.length;
  }

  #complete(): void {
    this.#source.onSent(this.#sent);
    const terminal = this.#source.terminal();
    if (terminal === undefined || this.#isOver) return;
    this.#end(terminal);
    this.#source.onCompleted();
  }

  #end(terminal: TerminalEvent): void {
    this.#isCompleted = true;
    this.#release();
    this.#sink.end(this.#format.event(terminal), 'latin1');
  }

  get #isOver(): boolean {
    return this.#isCompleted || this.#isClosed;
  }

  #write(event: string | Buffer): void {
    this.#isQuiet = false;
    // Text is ASCII by construction, and latin1 is the encoding that costs least.
    if (!this.#sink.write(event, 'latin1')) this.#isBlocked = true;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
    this.#source.onClosed();
  }

  #release(): void {
    clearInterval(this.#heartbeat);
    this.#turns.forget(this);
  }
}
