import { DEFAULT_WINDOW, type AttachRequest, type SignalRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import {
  OUTPUT_STREAMS,
  type AttachedEvent,
  type ExecEvent,
  type ExitEvent,
  type GapEvent,
  type HelloEvent,
  type OutputEvent,
  type OutputStream,
  type StdinEvent,
} from '../protocol/events.ts';
import type { OpeningRequest } from '../protocol/frames.ts';
import type { ExecSessionOptions, SessionOpening } from './exec-session-options.ts';
import { LastingRoad } from './lasting-road.ts';
import { toLost } from './lost.ts';
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
  readonly #received = { stdout: 0, stderr: 0 };
  readonly #written = { stdout: 0, stderr: 0 };
  readonly #acknowledged = { stdout: 0, stderr: 0 };
  /** Signals of this session that the server is not known to have taken, and how many there were. */
  #signals: SignalRequest[] = [];
  #signalCount = 0;
  readonly #closedStreams = new Set<OutputStream>();
  /** Which server has the exec. */
  #instance: string | undefined;
  #isOwner: boolean;
  /** On this road stdin waits for the server to say how far it was accepted. */
  #awaitsStdinState = false;
  /** Stdin was sent from here, and by nobody else since. */
  #hasFed = false;
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
    this.#road.current?.signal(request);
  }

  /** Closes one of the child's output streams, so that it meets SIGPIPE on its next write. */
  closeStream(stream: OutputStream): void {
    this.#closedStreams.add(stream);
    this.#road.current?.closeStream(stream);
  }

  /** Lets go of connections and of stdin; an exec that has not ended loses its client. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stdin?.stop();
    if (this.#terminal === undefined || this.#terminal instanceof Error) void this.#road.leave();
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
        written: this.#written,
      });
    } catch (error) {
      // Before anything was heard, the server has said why, or could not be reached.
      if (!this.hasStarted) throw error;
      this.#end(toLost((error as Error).message, error));
    }
  }

  /** What opens the next connection: the start until the server is known to have it, then the way back. */
  #toOpening(): OpeningRequest {
    const { opening, stdin, client } = this.#options;
    const own = { client, window: WINDOW, ...this.#road.promises };
    // Where the beginning is not known yet, it is asked for again.
    if (this.hasStarted && this.#hasOffsets)
      return { type: 'attach', id: this.id, from: { ...this.#received }, ...toRole(opening), ...own };
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
        this.#hasFed = false;
        this.#stdin?.rest();
        break;
      case 'stdout':
      case 'stderr':
        this.#takeOutput(event);
        break;
      case 'stdin':
        this.#takeStdin(event);
        break;
      case 'gap':
        this.#takeGap(event);
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
    const failure = this.#findMissing(event);
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
    if (isFirst && 'start' in this.#options.opening) void this.#sendStdin();
  }

  #takeAttached({ from, owner, signals }: AttachedEvent): void {
    const counts = [this.#received, this.#written, this.#acknowledged];
    if (!this.#hasOffsets) for (const offsets of counts) Object.assign(offsets, from);
    this.#hasOffsets = true;
    this.#isOwner = owner;
    this.#hasFed &&= owner;
    this.#awaitsStdinState = owner;
    // What was said on a road that was cut may not have arrived.
    this.#acknowledge();
    this.#signals = this.#signals.filter(({ number = 0 }) => number > signals);
    for (const request of this.#signals) this.#road.current?.signal(request);
    for (const stream of this.#closedStreams) this.#road.current?.closeStream(stream);
  }

  #takeStdin({ accepted, closed }: StdinEvent): void {
    if (this.#hasFed) this.#stdin?.accept(accepted);
    else this.#stdin?.continueFrom(accepted);
    if (closed) this.#stdin?.stop();
    else if (this.#awaitsStdinState) void this.#sendStdin();
    this.#awaitsStdinState = false;
  }

  #takeOutput({ type, offset, bytes }: OutputEvent): void {
    this.#hasOffsets = true;
    if (offset !== this.#received[type]) {
      this.#fail(toLost(`${type} went on at byte ${offset} where byte ${this.#received[type]} was due`));
      return;
    }
    this.#received[type] += bytes.length;
    this.#options[type](bytes, () => {
      this.#count(type, bytes.length);
    });
  }

  #takeGap(gap: GapEvent): void {
    const { onGap } = this.#options;
    if (onGap === undefined) {
      this.#fail(toLost(`the server left out bytes ${gap.from} to ${gap.to} of ${gap.stream}`));
      return;
    }
    onGap(gap);
    this.#count(gap.stream, gap.to - this.#received[gap.stream]);
    this.#received[gap.stream] = gap.to;
  }

  #count(stream: OutputStream, bytes: number): void {
    this.#written[stream] += bytes;
    if (this.#written[stream] - this.#acknowledged[stream] >= ACK_EVERY) this.#acknowledge();
  }

  #acknowledge(): void {
    if (this.#terminal !== undefined) return;
    Object.assign(this.#acknowledged, this.#written);
    this.#road.current?.acknowledge({ ...this.#written });
  }

  async #sendStdin(): Promise<void> {
    const { current } = this.#road;
    if (this.#stdin === undefined || current === undefined) return;
    this.#hasFed = true;
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
  }

  /** We cannot go on: the server loses its client, and ends the exec. */
  #fail(error: Error): void {
    this.#end(error);
    this.close();
  }

  #findMissing({ bytes, closed }: ExitEvent): SbxError | undefined {
    const { opening } = this.#options;
    if ('attach' in opening && opening.attach.output === false) return undefined;
    const stream = OUTPUT_STREAMS.find(
      (name) => !closed.includes(name) && bytes[name] !== this.#received[name],
    );
    if (stream === undefined) return undefined;
    const why = `${this.#received[stream]} of ${bytes[stream]} bytes of ${stream} arrived`;
    return new SbxError('session_lost', `The byte counts do not add up: ${why}`);
  }
}

/** Who only watches, or wants no output, does not want more when it comes back. */
function toRole(opening: SessionOpening): Pick<AttachRequest, 'watch' | 'output'> {
  if ('start' in opening) return {};
  const { watch, output } = opening.attach;
  return { ...(watch !== undefined && { watch }), ...(output !== undefined && { output }) };
}
