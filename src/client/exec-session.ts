import { CUT_MS, DEFAULT_WINDOW, type StartExecRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { ExecEvent, ExitEvent, OutputEvent, OutputStream } from '../protocol/events.ts';
import { ChannelRoad } from './channel-road.ts';
import type { ExecRoad } from './exec-road.ts';
import { HttpRoad } from './http-road.ts';
import { toLost } from './lost.ts';
import { SilenceWatch } from './silence-watch.ts';
import type { StdinSource } from './stdin-source.ts';
import type { Transport } from './transport.ts';

/**
 * Where output goes. The chunk is valid until the call returns. `written` is called when the bytes are where they
 * belong, and counts as their acknowledgement.
 */
export type OutputTarget = (chunk: Buffer, written: () => void) => void;

export interface ExecSessionOptions {
  readonly transport: Transport;
  readonly request: Omit<StartExecRequest, 'stdin' | 'window'>;
  /** Undefined gives the child `/dev/null`. */
  readonly stdin?: StdinSource | undefined;
  readonly stdout: OutputTarget;
  readonly stderr: OutputTarget;
  /** The server has taken the exec. */
  readonly onAccepted?: () => void;
}

/** How much of the window is written before that is acknowledged. */
const ACK_EVERY = DEFAULT_WINDOW / 4;

/**
 * One exec from its start to its end, seen from the client: output goes to its targets as it arrives, stdin comes from
 * its source, and the end is the exit event or an error, never a guess.
 */
export class ExecSession {
  readonly id: string;
  readonly #options: ExecSessionOptions;
  readonly #received = { stdout: 0, stderr: 0 };
  readonly #written = { stdout: 0, stderr: 0 };
  readonly #acknowledged = { stdout: 0, stderr: 0 };
  #road: ExecRoad;
  #isClosed = false;
  #hasStarted = false;
  #terminal: ExitEvent | Error | undefined;

  constructor(options: ExecSessionOptions) {
    this.id = options.request.id;
    this.#options = options;
    this.#road = new ChannelRoad(options.transport);
  }

  /** The server has taken the exec: signals reach it. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /**
   * Runs the exec to its end.
   * @throws SbxError what the server says went wrong; `session_lost` when the end is not known
   */
  async run(): Promise<ExitEvent> {
    try {
      await this.#follow();
    } finally {
      this.close();
    }
    if (this.#terminal === undefined) throw toLost('the stream ended');
    if (this.#terminal instanceof Error) throw this.#terminal;
    this.#checkCounts(this.#terminal);
    return this.#terminal;
  }

  /** Forwards a signal (`TERM`) to the process group of the command; `KILL` ends the exec. */
  signal(signal: string): Promise<void> {
    return this.#road.signal(signal);
  }

  /** Closes one of the child's output streams, so that it meets SIGPIPE on its next write. */
  closeStream(stream: OutputStream): Promise<void> {
    return this.#road.closeStream(stream);
  }

  /** Lets go of connections and of stdin; an exec that has not ended loses its client. */
  close(): void {
    this.#options.stdin?.destroy();
    this.#isClosed = true;
    this.#road.close();
  }

  async #follow(): Promise<void> {
    try {
      await this.#followRoad();
    } catch (error) {
      // A server that knows no channels, or a proxy that upgrades none.
      if (!(error instanceof SbxError) || error.code !== 'route_not_found') throw error;
      this.#road.close();
      this.#road = new HttpRoad(this.id, this.#options.transport);
      if (this.#isClosed) this.#road.close();
      await this.#followRoad();
    }
  }

  async #followRoad(): Promise<void> {
    const silence = new SilenceWatch(CUT_MS, () => {
      this.#fail(toLost(`nothing was heard for ${CUT_MS / 1000} s`));
    });
    const listener = {
      hear: () => {
        silence.hear();
      },
      take: (event: ExecEvent) => {
        if (this.#terminal === undefined) this.#take(event);
      },
    };
    try {
      await this.#road.follow(this.#toRequest(), listener);
    } catch (error) {
      // Before anything was heard, the server has said why, or could not be reached.
      if (!this.#hasStarted) throw error;
      this.#end(toLost((error as Error).message, error));
    } finally {
      silence.stop();
    }
  }

  #toRequest(): StartExecRequest {
    const { request, stdin } = this.#options;
    return {
      ...request,
      stdin: stdin === undefined ? 'null' : 'pipe',
      window: { stdout: DEFAULT_WINDOW, stderr: DEFAULT_WINDOW },
    };
  }

  #take(event: ExecEvent): void {
    switch (event.type) {
      case 'hello':
        this.#hasStarted = true;
        this.#options.onAccepted?.();
        void this.#sendStdin();
        break;
      case 'stdout':
      case 'stderr':
        this.#takeOutput(event);
        break;
      case 'stdin':
        if (event.closed) this.#road.stopStdin();
        else this.#road.allowStdin(event.limit);
        break;
      case 'gap':
        this.#fail(toLost(`the server left out bytes ${event.from} to ${event.to} of ${event.stream}`));
        break;
      case 'exit':
        this.#end(event);
        break;
      case 'error':
        this.#end(new SbxError(event.error.code, event.error.message, { hint: event.error.hint }));
        break;
      default:
    }
  }

  #takeOutput({ type, offset, bytes }: OutputEvent): void {
    if (offset !== this.#received[type]) {
      this.#fail(toLost(`${type} went on at byte ${offset} where byte ${this.#received[type]} was due`));
      return;
    }
    this.#received[type] += bytes.length;
    this.#options[type](bytes, () => {
      this.#written[type] += bytes.length;
      if (this.#written[type] - this.#acknowledged[type] >= ACK_EVERY) this.#acknowledge();
    });
  }

  #acknowledge(): void {
    if (this.#terminal !== undefined) return;
    Object.assign(this.#acknowledged, this.#written);
    this.#road.acknowledge({ ...this.#written });
  }

  async #sendStdin(): Promise<void> {
    const { stdin } = this.#options;
    if (stdin === undefined) return;
    try {
      await this.#road.sendStdin(stdin);
    } catch (error) {
      this.#failStdin(error as Error);
    }
  }

  /** Input that cannot be sent is never left out in silence, unless the exec has ended: then nobody wants it. */
  #failStdin(error: Error): void {
    const code = error instanceof SbxError ? error.code : 'internal';
    if (code === 'exec_ended' || code === 'exec_not_found') return;
    this.#fail(
      code === 'server_unreachable' ? toLost(`stdin cannot be sent: ${error.message}`, error) : error,
    );
  }

  #end(terminal: ExitEvent | Error): void {
    if (this.#terminal !== undefined) return;
    this.#terminal = terminal;
    this.#road.stopStdin();
  }

  /** We cannot go on: the server loses its client, and ends the exec. */
  #fail(error: Error): void {
    this.#end(error);
    this.close();
  }

  #checkCounts({ bytes, closed }: ExitEvent): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (closed.includes(stream) || bytes[stream] === this.#received[stream]) continue;
      const why = `${this.#received[stream]} of ${bytes[stream]} bytes of ${stream} arrived`;
      throw new SbxError('session_lost', `The byte counts do not add up: ${why}`);
    }
  }
}
