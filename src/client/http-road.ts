import {
  DEFAULT_WINDOW,
  routes,
  type AttachRequest,
  type ReadFrom,
  type SignalRequest,
} from '../protocol/api.ts';
import { parseExecEvent, type ExecEvent, type OutputStream, type StreamBytes } from '../protocol/events.ts';
import { SbxError, type ErrorCode } from '../protocol/errors.ts';
import type { OpeningRequest } from '../protocol/frames.ts';
import { SseParser } from '../protocol/sse.ts';
import { ForeignAnswer, parseFailure, requestJson } from './answers.ts';
import { Connections } from './connections.ts';
import type { ExecRoad, RoadListener } from './exec-road.ts';
import { withinMoment } from './moment.ts';
import { MOST_REFUSED, type PathTraits } from './path-traits.ts';
import { StdinBodies } from './stdin-bodies.ts';
import type { StdinCursor } from './stdin-queue.ts';
import type { Connection, RequestOptions, Transport } from './transport.ts';

const EVENT_STREAM = 'text/event-stream';

export interface HttpRoadOptions {
  readonly transport: Transport;
  readonly id: string;
  /** The session. */
  readonly client: string;
  readonly traits: PathTraits;
}

/**
 * An exec in plain HTTP: events as Server-Sent Events, stdin in bodies, small requests beside them. It passes where a
 * connection cannot be upgraded.
 */
export class HttpRoad implements ExecRoad {
  readonly #options: HttpRoadOptions;
  readonly #connections: Connections;
  #events: Connection | undefined;
  #control: Connection | undefined;
  /** Requests on the control connection, one after another. */
  #controlTail: Promise<unknown> = Promise.resolve();
  /** What is to be acknowledged when the control connection has its turn for it. */
  #written: StreamBytes | undefined;
  #bodies: StdinBodies | undefined;
  #listener: RoadListener | undefined;
  /** What broke first. */
  #failure: Error | undefined;

  constructor(options: HttpRoadOptions) {
    this.#options = options;
    this.#connections = new Connections(options.transport);
  }

  async connect(): Promise<void> {
    this.#events = await this.#connections.open();
  }

  async follow(opening: OpeningRequest, listener: RoadListener): Promise<void> {
    if (this.#events === undefined) throw new Error('follow() comes after connect()');
    this.#listener = listener;
    const answer = await this.#events.stream({ ...toRequest(opening), accept: EVENT_STREAM });
    // Also a page, which something else than our server gives to whatever it is asked.
    if (answer.status !== 200 || !answer.contentType.startsWith(EVENT_STREAM))
      throw parseFailure(answer.status, await answer.readAll());
    const parser = new SseParser((raw) => {
      const event = parseExecEvent(raw);
      if (event !== undefined) this.#take(event, listener);
    });
    try {
      await answer.read((chunk) => {
        listener.hear();
        parser.push(chunk);
      });
    } catch (error) {
      throw this.#failure ?? error;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  acknowledge(written: StreamBytes): void {
    const isQueued = this.#written !== undefined;
    this.#written = written;
    if (isQueued) return;
    void this.#post(routes.ack(this.#options.id), () => {
      const asked = { ...this.#written, client: this.#options.client };
      this.#written = undefined;
      return asked;
    });
  }

  signal(request: SignalRequest): void {
    void this.#post(routes.signal(this.#options.id), () => ({ ...request, client: this.#options.client }));
  }

  closeStream(stream: OutputStream): void {
    void this.#post(routes.close(this.#options.id), () => ({ stream, client: this.#options.client }));
  }

  async sendStdin(cursor: StdinCursor): Promise<void> {
    const { id, client, traits } = this.#options;
    try {
      const connection = await this.#connections.open();
      this.#bodies = new StdinBodies({
        connection,
        id,
        client,
        traits,
        onAccepted: ({ accepted, closed }) => {
          traits.refusedBodies = 0;
          this.#listener?.take({ type: 'stdin', accepted, closed, limit: accepted });
        },
      });
      await this.#bodies.run(cursor);
    } catch (error) {
      if (error instanceof SbxError && error.code === 'input_failed') throw error;
      if (error instanceof ForeignAnswer) traits.refusedBodies += 1;
      this.#fail(error);
    }
  }

  leave(): Promise<void> {
    return withinMoment(this.#post(routes.leave(this.#options.id), () => ({ client: this.#options.client })));
  }

  close(): void {
    this.#bodies?.stop();
    this.#connections.close();
  }

  #take(event: ExecEvent, listener: RoadListener): void {
    if (event.type === 'stdin') {
      if (event.body !== undefined) this.#bodies?.hearHead(event.body);
      if (event.closed) this.#bodies?.stop();
    }
    listener.take(event);
  }

  /** Posts on the control connection, in order; the body is made when its turn comes. */
  #post(path: string, makeBody: () => unknown): Promise<void> {
    const { traits } = this.#options;
    const posted = this.#controlTail.then(async () => {
      // Proxies close connections that are idle for long.
      if (this.#control?.isOpen !== true) {
        if (this.#control !== undefined) this.#connections.drop(this.#control);
        this.#control = await this.#connections.open();
      }
      await requestJson(this.#control, { method: 'POST', path, json: makeBody() });
      traits.refusedRequests = 0;
    });
    this.#controlTail = posted.catch((error: unknown) => {
      if (error instanceof ForeignAnswer) traits.refusedRequests += 1;
      this.#fail(error);
    });
    return posted.catch(() => undefined);
  }

  /** Whatever breaks, the road is cut: what was under way is asked again of the next, unless that is in vain. */
  #fail(error: unknown): void {
    const { message } = error as Error;
    if (error instanceof SbxError && VAIN.includes(error.code)) return;
    const { refusedBodies, refusedRequests } = this.#options.traits;
    const isRefused = error instanceof SbxError && error.code === 'invalid_argument';
    const isHopeless = isRefused || Math.max(refusedBodies, refusedRequests) >= MOST_REFUSED;
    this.#failure ??= isHopeless
      ? toHopeless(error)
      : new SbxError('server_unreachable', message, { cause: error });
    this.close();
  }
}

/** No answer in place of the server's, after which it might be better: it is the end. */
function toHopeless(error: unknown): Error {
  if (!(error instanceof ForeignAnswer)) return error as Error;
  return new SbxError(error.code, error.message, { hint: error.hint, cause: error });
}

/** Nobody is there any more who could want what was asked. */
const VAIN: readonly ErrorCode[] = ['exec_ended', 'exec_not_found', 'stdin_owned', 'stdin_ended'];

function toRequest({ type, ...request }: OpeningRequest): RequestOptions {
  if (type === 'start') return { method: 'POST', path: routes.execs, json: request };
  return { method: 'GET', path: `${routes.events(request.id)}?${toQuery(request)}` };
}

function toQuery(request: AttachRequest): string {
  const { client, from = 'now', take, watch, output, window } = request;
  const { reconnect_grace_ms: grace, heartbeat_ms: heartbeat } = request;
  const pairs: Record<string, string | number | undefined> = {
    client,
    ...toFrom(from),
    take: take ? 1 : undefined,
    watch: watch ? 1 : undefined,
    output: output === false ? 0 : undefined,
    window: window === undefined ? undefined : DEFAULT_WINDOW,
    reconnect_grace_ms: grace,
    heartbeat_ms: heartbeat,
  };
  return Object.entries(pairs)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join('&');
}

function toFrom(from: ReadFrom): Record<string, string | number> {
  return typeof from === 'object' ? { stdout: from.stdout, stderr: from.stderr } : { from };
}
