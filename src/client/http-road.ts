import { routes, type StartExecRequest } from '../protocol/api.ts';
import { parseExecEvent, type OutputStream, type StreamBytes } from '../protocol/events.ts';
import { SseParser } from '../protocol/sse.ts';
import { parseFailure, requestJson } from './answers.ts';
import { Connections } from './connections.ts';
import type { ExecRoad, RoadListener } from './exec-road.ts';
import { StdinPump } from './stdin-pump.ts';
import type { StdinSource } from './stdin-source.ts';
import type { Connection, StreamAnswer, Transport } from './transport.ts';

/**
 * An exec in plain HTTP: events as Server-Sent Events, stdin in bodies, small requests beside them. It passes where a
 * connection cannot be upgraded.
 */
export class HttpRoad implements ExecRoad {
  readonly #id: string;
  readonly #connections: Connections;
  #control: Promise<Connection> | undefined;
  /** Requests on the control connection, one after another. */
  #controlTail: Promise<unknown> = Promise.resolve();
  /** What is to be acknowledged when the control connection has its turn for it. */
  #written: StreamBytes | undefined;
  #pump: StdinPump | undefined;
  /** Nobody can read more of stdin; it may be known before there is a pump. */
  #isStdinOver = false;

  constructor(id: string, transport: Transport) {
    this.#id = id;
    this.#connections = new Connections(transport);
  }

  async follow(request: StartExecRequest, listener: RoadListener): Promise<void> {
    const answer = await this.#start(request);
    const parser = new SseParser((raw) => {
      const event = parseExecEvent(raw);
      if (event !== undefined) listener.take(event);
    });
    await answer.read((chunk) => {
      listener.hear();
      parser.push(chunk);
    });
  }

  acknowledge(written: StreamBytes): void {
    const isQueued = this.#written !== undefined;
    this.#written = written;
    if (isQueued) return;
    void this.#post(routes.ack(this.#id), () => {
      const json = this.#written;
      this.#written = undefined;
      return json;
    }).catch(() => undefined);
  }

  signal(signal: string): Promise<void> {
    return this.#post(routes.signal(this.#id), () => ({ signal }));
  }

  closeStream(stream: OutputStream): Promise<void> {
    return this.#post(routes.close(this.#id), () => ({ stream }));
  }

  async sendStdin(source: StdinSource): Promise<void> {
    this.#pump = new StdinPump(await this.#connections.open(), this.#id, source);
    if (this.#isStdinOver) this.#pump.stop();
    await this.#pump.run();
  }

  /** A body is taken as fast as the server reads it: the socket holds us back. */
  allowStdin(): void {
    // Nothing of ours waits for it.
  }

  stopStdin(): void {
    this.#isStdinOver = true;
    this.#pump?.stop();
  }

  close(): void {
    this.stopStdin();
    this.#connections.close();
  }

  async #start(request: StartExecRequest): Promise<StreamAnswer> {
    const connection = await this.#connections.open();
    const answer = await connection.stream({
      method: 'POST',
      path: routes.execs,
      json: request,
      accept: 'text/event-stream',
    });
    if (answer.status !== 200) throw parseFailure(answer.status, await answer.readAll());
    return answer;
  }

  /** Posts on the control connection, in order; the body is made when its turn comes. */
  #post(path: string, makeBody: () => unknown): Promise<void> {
    const posted = this.#controlTail.then(async () => {
      this.#control ??= this.#connections.open();
      const connection = await this.#control;
      await requestJson(connection, { method: 'POST', path, json: makeBody() });
    });
    this.#controlTail = posted.catch(() => undefined);
    return posted;
  }
}
