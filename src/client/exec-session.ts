import { CUT_MS, DEFAULT_WINDOW, routes, type StartExecRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import {
  parseExecEvent,
  type ExecEvent,
  type ExitEvent,
  type OutputEvent,
  type OutputStream,
} from '../protocol/events.ts';
import { SseParser } from '../protocol/sse.ts';
import { parseFailure, requestJson } from './answers.ts';
import { SilenceWatch } from './silence-watch.ts';
import { StdinPump, type StdinSource } from './stdin-pump.ts';
import type { Connection, StreamAnswer, Transport } from './transport.ts';

/** Where output goes. `written` is called when the bytes are where they belong, and counts as their acknowledgement. */
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
  /** Every connection that was made, whoever uses it. */
  readonly #connections = new Set<Connection>();
  #isClosed = false;
  #control: Promise<Connection> | undefined;
  /** Requests on the control connection, one after another. */
  #controlTail: Promise<unknown> = Promise.resolve();
  #isAckQueued = false;
  #pump: StdinPump | undefined;
  #hasStarted = false;
  /** Nobody can read more of stdin; it may be known before there is a pump. */
  #isStdinOver = false;
  #terminal: ExitEvent | Error | undefined;

  constructor(options: ExecSessionOptions) {
    this.id = options.request.id;
    this.#options = options;
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
      await this.#follow(await this.#start(await this.#connect()));
    } finally {
      this.close();
    }
    if (this.#terminal === undefined) throw lost('the stream ended');
    if (this.#terminal instanceof Error) throw this.#terminal;
    this.#checkCounts(this.#terminal);
    return this.#terminal;
  }

  /** Forwards a signal (`TERM`) to the process group of the command; `KILL` ends the exec. */
  signal(signal: string): Promise<void> {
    return this.#post(routes.signal(this.id), () => ({ signal }));
  }

  /** Closes one of the child's output streams, so that it meets SIGPIPE on its next write. */
  closeStream(stream: OutputStream): Promise<void> {
    return this.#post(routes.close(this.id), () => ({ stream }));
  }

  /** Lets go of connections and of stdin; an exec that has not ended loses its client. */
  close(): void {
    this.#pump?.stop();
    this.#options.stdin?.destroy();
    this.#isClosed = true;
    for (const connection of this.#connections) connection.close();
  }

  /** A connection that ends with the session, also where the session ends first. */
  async #connect(): Promise<Connection> {
    if (this.#hasClosed()) throw lost('it was closed here');
    const connection = await this.#options.transport.connect();
    this.#connections.add(connection);
    if (this.#hasClosed()) connection.close();
    return connection;
  }

  #hasClosed(): boolean {
    return this.#isClosed;
  }

  async #start(connection: Connection): Promise<StreamAnswer> {
    const { request, stdin } = this.#options;
    const json: StartExecRequest = {
      ...request,
      stdin: stdin === undefined ? 'null' : 'pipe',
      window: { stdout: DEFAULT_WINDOW, stderr: DEFAULT_WINDOW },
    };
    const answer = await connection.stream({
      method: 'POST',
      path: routes.execs,
      json,
      accept: 'text/event-stream',
    });
    if (answer.status === 200) return answer;
    const body: Buffer[] = [];
    await answer.read((chunk) => body.push(Buffer.from(chunk)));
    throw parseFailure(answer.status, Buffer.concat(body));
  }

  async #follow(answer: StreamAnswer): Promise<void> {
    const silence = new SilenceWatch(CUT_MS, () => {
      this.#fail(lost(`nothing was heard for ${CUT_MS / 1000} s`));
    });
    const parser = new SseParser((raw) => {
      const event = parseExecEvent(raw);
      if (event !== undefined && this.#terminal === undefined) this.#take(event);
    });
    try {
      await answer.read((chunk) => {
        silence.hear();
        parser.push(chunk);
      });
    } catch (error) {
      this.#end(lost((error as Error).message, error));
    } finally {
      silence.stop();
    }
  }

  #take(event: ExecEvent): void {
    switch (event.type) {
      case 'hello':
        this.#hasStarted = true;
        this.#options.onAccepted?.();
        void this.#pumpStdin();
        break;
      case 'stdout':
      case 'stderr':
        this.#takeOutput(event);
        break;
      case 'stdin':
        if (event.closed) this.#stopStdin();
        break;
      case 'gap':
        this.#fail(lost(`the server left out bytes ${event.from} to ${event.to} of ${event.stream}`));
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
      this.#fail(lost(`${type} went on at byte ${offset} where byte ${this.#received[type]} was due`));
      return;
    }
    this.#received[type] += bytes.length;
    this.#options[type](bytes, () => {
      this.#written[type] += bytes.length;
      if (this.#written[type] - this.#acknowledged[type] >= ACK_EVERY) this.#acknowledge();
    });
  }

  #acknowledge(): void {
    if (this.#isAckQueued || this.#terminal !== undefined) return;
    this.#isAckQueued = true;
    void this.#post(routes.ack(this.id), () => {
      this.#isAckQueued = false;
      Object.assign(this.#acknowledged, this.#written);
      return { ...this.#written };
    }).catch(() => undefined);
  }

  async #pumpStdin(): Promise<void> {
    const { stdin } = this.#options;
    if (stdin === undefined) return;
    try {
      this.#pump = new StdinPump(await this.#connect(), this.id, stdin);
      if (this.#isStdinOver) this.#pump.stop();
      await this.#pump.run();
    } catch (error) {
      this.#failStdin(error as Error);
    }
  }

  /** Input that cannot be sent is never left out in silence, unless the exec has ended: then nobody wants it. */
  #failStdin(error: Error): void {
    const code = error instanceof SbxError ? error.code : 'internal';
    if (code === 'exec_ended' || code === 'exec_not_found') return;
    this.#fail(code === 'server_unreachable' ? lost(`stdin cannot be sent: ${error.message}`, error) : error);
  }

  /** Posts on the control connection, in order; the body is made when its turn comes. */
  #post(path: string, makeBody: () => unknown): Promise<void> {
    const posted = this.#controlTail.then(async () => {
      this.#control ??= this.#connect();
      const connection = await this.#control;
      await requestJson(connection, { method: 'POST', path, json: makeBody() });
    });
    this.#controlTail = posted.catch(() => undefined);
    return posted;
  }

  #end(terminal: ExitEvent | Error): void {
    if (this.#terminal !== undefined) return;
    this.#terminal = terminal;
    this.#stopStdin();
  }

  #stopStdin(): void {
    this.#isStdinOver = true;
    this.#pump?.stop();
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

function lost(why: string, cause?: unknown): SbxError {
  return new SbxError('session_lost', `session ended without exit event: ${why}`, { cause });
}
