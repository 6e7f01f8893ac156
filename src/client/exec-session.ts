import { DEFAULT_WINDOW, type AttachRequest, type SignalRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import {
  OUTPUT_STREAMS,
  type AttachedEvent,
  type ExecEvent,
  type ExitEvent,
  type HelloEvent,
  type OutputStream,
  type StdinEvent,
} from '../protocol/events.ts';
import type { OpeningRequest } from '../protocol/frames.ts';
import type { ExecSessionOptions, SessionOpening } from './exec-session-options.ts';
import { LastingRoad } from './lasting-road.ts';
import { toLost } from './lost.ts';
import { SessionOutput } from './session-output.ts';
import { StdinQueue } from './stdin-queue.ts';

/** How much of the window is written before that is acknowledged. */
const ACK_EVERY = DEFAULT_WINDOW / 4;
const WINDOW = { stdout: DEFAULT_WINDOW, stderr: DEFAULT_WINDOW };

/**
 * One exec to its end, seen from a client: output goes to its targets as it arrives, stdin comes from its source, and
 * the end is the exit event or an error, never a guess. A connection that is cut is made again, and goes on at the same
 * byte in both directions.
 */
export class ExecSession {
  readonly id: string;
  readonly #options: ExecSessionOptions;
  readonly #road: LastingRoad;
  readonly #stdin: StdinQueue | undefined;
  readonly #output: SessionOutput;
  readonly #acknowledged = { stdout: 0, stderr: 0 };
  /** Signals of this session that the server is not known to have taken, and how many there were. */
  #signals: SignalRequest[] = [];
  #signalCount = 0;
  /** On this road it is known which signals the server has: before that a later one could overtake an earlier one. */
  #knowsSignals = false;
  readonly #closedStreams = new Set<OutputStream>();
  /** Which server has the exec. */
  #instance: string | undefined;
  #isOwner: boolean;
  /** On this road stdin waits for the server to say how far it was accepted; `fed` as in the event before. */
  #awaited: Pick<AttachedEvent, 'fed'> | undefined;
  /** Where output begins is known. */
  #hasOffsets: boolean;
  #isClosed = false;
  #left: Promise<void> | undefined;
  #terminal: ExitEvent | Error | undefined;

  constructor(options: ExecSessionOptions) {
    const { opening, transport, stdin, graceMs } = options;
    this.id = 'start' in opening ? opening.start.id : opening.attach.id;
    this.#isOwner = 'start' in opening;
    this.#hasOffsets = 'start' in opening;
    this.#options = options;
    this.#road = new LastingRoad({ transport, id: this.id, client: options.client, graceMs });
    this.#output = new SessionOutput(options, {
      onWritten: () => {
        const isMuch = OUTPUT_STREAMS.some((stream) => this.#unacknowledged(stream) >= ACK_EVERY);
        if (isMuch) this.#acknowledge();
      },
      onFailure: (error) => {
        this.#fail(error);
      },
    });
    if (stdin !== undefined) this.#stdin = new StdinQueue(stdin, { isKeeping: this.#road.graceMs > 0 });
  }

  /** The server has taken the exec: signals reach it. */
  get hasStarted(): boolean {
    return this.#instance !== undefined;
  }

  /** False while a connection that was cut is being made again. */
  get isConnected(): boolean {
    return this.#road.isConnected;
  }

  /** It feeds stdin and holds the command back. */
  get isOwner(): boolean {
    return this.#isOwner;
  }

  /**
   * Follows the exec to its end.
   * @throws SbxError what the server says went wrong; `session_lost` when the end is not known
   */
  async run(): Promise<ExitEvent> {
    try {
      await this.#follow();
      if (this.#terminal === undefined) throw toLost('it was closed here');
      if (this.#terminal instanceof Error) throw this.#terminal;
      await this.#left;
      return this.#terminal;
    } finally {
      this.close();
    }
  }

  /** Forwards a signal (`TERM`) to the process group of the command; `KILL` ends the exec. */
  signal(signal: string): void {
    this.#signalCount += 1;
    const request = { signal, number: this.#signalCount };
    this.#signals.push(request);
    if (this.#knowsSignals) this.#road.current?.signal(request);
  }

  /** Closes one of the child's output streams, so that it meets SIGPIPE on its next write. */
  closeStream(stream: OutputStream): void {
    this.#closedStreams.add(stream);
    this.#road.current?.closeStream(stream);
  }

  /** Lets go of connections and of stdin; an exec that has not ended loses its client, and ends if this has started it. */
  close(): void {
    const hasEnd = this.#terminal !== undefined && !(this.#terminal instanceof Error);
    if (!this.#isClosed && !hasEnd) void this.#road.leave();
    this.drop();
  }

  /** As `close`, but the exec is to find that its client was cut off, and goes on where it is to be kept. */
  drop(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stdin?.stop();
    this.#output.hurry();
    this.#road.close();
  }

  async #follow(): Promise<void> {
    try {
      await this.#road.follow({
        toOpening: () => this.#toOpening(),
        take: (event) => {
          this.#take(event);
        },
        isOver: () => this.#terminal !== undefined || this.#isClosed,
        written: this.#output.written,
      });
    } catch (error) {
      // Before anything was heard, the server has said why, or could not be reached.
      if (!this.hasStarted) throw error;
      this.#end(toLost((error as Error).message, error));
    }
  }

  /** What opens the next connection: the start until the server is known to have it, then the way back. */
  #toOpening(): OpeningRequest {
    this.#knowsSignals = false;
    const { opening, stdin, client } = this.#options;
    const own = { client, window: WINDOW, ...this.#road.promises };
    // Where the beginning is not known yet, it is asked for again.
    if (this.hasStarted && this.#hasOffsets)
      return { type: 'attach', id: this.id, from: { ...this.#output.received }, ...toRole(opening), ...own };
    if ('attach' in opening) return { type: 'attach', ...opening.attach, ...own };
    return { type: 'start', ...opening.start, stdin: stdin === undefined ? 'null' : 'pipe', ...own };
  }

  /** What our user throws is the end of the session: on a next connection it would happen again. */
  #take(event: ExecEvent): void {
    if (this.#terminal !== undefined || this.#isClosed) return;
    try {
      this.#options.onEvent?.(event);
      this.#act(event);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #act(event: ExecEvent): void {
    switch (event.type) {
      case 'hello':
        this.#takeHello(event);
        break;
      case 'attached':
        this.#takeAttached(event);
        break;
      case 'taken':
        this.#isOwner = false;
        this.#stdin?.rest();
        break;
      case 'stdout':
      case 'stderr':
        this.#hasOffsets = true;
        this.#output.take(event);
        break;
      case 'stdin':
        this.#takeStdin(event);
        break;
      case 'gap':
        this.#output.takeGap(event);
        break;
      case 'exit':
        this.#takeExit(event);
        break;
      case 'error':
        this.#end(SbxError.fromBody(event.error));
        this.#left = this.#road.leave();
        break;
      default:
    }
  }

  /** The server may let go of the exec as soon as we have all of it, while the connection is still there to say so. */
  #takeExit(event: ExitEvent): void {
    const { opening } = this.#options;
    const hasOutput = 'start' in opening || opening.attach.output !== false;
    const failure = hasOutput ? this.#output.findMissing(event) : undefined;
    this.#end(failure ?? event);
    if (failure === undefined) this.#left = this.#road.leave();
  }

  #takeHello({ instance }: HelloEvent): void {
    if (this.#instance !== undefined && this.#instance !== instance) {
      this.#fail(toLost('the server is another than before: it was started anew'));
      return;
    }
    const isFirst = this.#instance === undefined;
    this.#instance = instance;
    if (isFirst) this.#options.onAccepted?.();
    if (!isFirst || 'attach' in this.#options.opening) return;
    this.#knowsSignals = true;
    void this.#sendStdin();
  }

  #takeAttached({ from, owner, signals, fed }: AttachedEvent): void {
    if (!this.#hasOffsets) {
      this.#output.beginAt(from);
      Object.assign(this.#acknowledged, from);
    }
    this.#hasOffsets = true;
    this.#isOwner = owner;
    this.#awaited = owner ? { ...(fed !== undefined && { fed }) } : undefined;
    if (!owner) this.#stdin?.rest();
    // What was said on a road that was cut may not have arrived.
    this.#acknowledge();
    this.#knowsSignals = true;
    this.#signals = this.#signals.filter(({ number = 0 }) => number > signals);
    for (const request of this.#signals) this.#road.current?.signal(request);
    for (const stream of this.#closedStreams) this.#road.current?.closeStream(stream);
  }

  #takeStdin({ accepted, closed }: StdinEvent): void {
    const awaited = this.#awaited;
    this.#awaited = undefined;
    // What others feed is counted when it is our turn again.
    if (awaited !== undefined) this.#stdin?.continueFrom(accepted, awaited.fed);
    else if (this.#isOwner) this.#stdin?.accept(accepted);
    if (closed) this.#stdin?.stop();
    else if (awaited !== undefined) void this.#sendStdin();
  }

  #acknowledge(): void {
    if (this.#terminal !== undefined) return;
    Object.assign(this.#acknowledged, this.#output.written);
    this.#road.current?.acknowledge({ ...this.#output.written });
  }

  #unacknowledged(stream: OutputStream): number {
    return this.#output.written[stream] - this.#acknowledged[stream];
  }

  async #sendStdin(): Promise<void> {
    const { current } = this.#road;
    if (this.#stdin === undefined || current === undefined) return;
    try {
      await current.sendStdin(this.#stdin.open());
    } catch (error) {
      // Input that cannot be read is never left out in silence.
      this.#fail(error as Error);
    }
  }

  #end(terminal: ExitEvent | Error): void {
    if (this.#terminal !== undefined) return;
    this.#terminal = terminal;
    this.#stdin?.stop();
    this.#output.hurry();
  }

  /** We cannot go on. What was lost on the way is no reason to end an exec that is to be kept. */
  #fail(error: Error): void {
    this.#end(error);
    if (error instanceof SbxError && error.code === 'session_lost') this.drop();
    else this.close();
  }
}

/** Who only watches, or wants no output, does not want more when it comes back. */
function toRole(opening: SessionOpening): Pick<AttachRequest, 'watch' | 'output'> {
  if ('start' in opening) return {};
  const { watch, output } = opening.attach;
  return { ...(watch !== undefined && { watch }), ...(output !== undefined && { output }) };
}
