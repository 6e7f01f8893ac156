import { routes, type StartExecRequest } from '../protocol/api.ts';
import type { OutputStream, StreamBytes } from '../protocol/events.ts';
import {
  createEventParser,
  formatJsonFrame,
  FRAMES_PROTOCOL,
  type ChannelRequest,
} from '../protocol/frames.ts';
import { parseFailure } from './answers.ts';
import { Connections } from './connections.ts';
import type { ExecRoad, RoadListener } from './exec-road.ts';
import { StdinSender } from './stdin-sender.ts';
import type { StdinSource } from './stdin-source.ts';
import type { Transport, UpgradedConnection } from './transport.ts';

/** An exec on one connection of its own, in frames both ways. */
export class ChannelRoad implements ExecRoad {
  readonly #connections: Connections;
  #connection: UpgradedConnection | undefined;
  readonly #sender = new StdinSender();

  constructor(transport: Transport) {
    this.#connections = new Connections(transport);
  }

  async follow(request: StartExecRequest, listener: RoadListener): Promise<void> {
    const connection = await this.#connections.open();
    // The request does not wait for the answer to the upgrade: that would be a round trip more for every exec.
    const upgraded = connection.upgrade({
      path: routes.channel,
      protocol: FRAMES_PROTOCOL,
      first: formatJsonFrame({ type: 'start', ...request }),
    });
    const answer = await upgraded.answer;
    if (answer.status !== 101) throw parseFailure(answer.status, await answer.readAll());
    this.#connection = upgraded;
    const parser = createEventParser((event) => {
      listener.take(event);
    });
    await answer.read((chunk) => {
      listener.hear();
      parser.push(chunk);
    });
  }

  acknowledge(written: StreamBytes): void {
    this.#send({ type: 'ack', ...written });
  }

  signal(signal: string): Promise<void> {
    this.#send({ type: 'signal', signal });
    return Promise.resolve();
  }

  closeStream(stream: OutputStream): Promise<void> {
    this.#send({ type: 'close', stream });
    return Promise.resolve();
  }

  async sendStdin(source: StdinSource): Promise<void> {
    if (this.#connection === undefined) return;
    const offset = await this.#sender.run(source, this.#connection);
    if (offset !== undefined) this.#send({ type: 'stdin_end', offset });
  }

  allowStdin(limit: number): void {
    this.#sender.allow(limit);
  }

  stopStdin(): void {
    this.#sender.stop();
  }

  close(): void {
    this.stopStdin();
    this.#connections.close();
  }

  #send(request: ChannelRequest): void {
    this.#connection?.write([formatJsonFrame(request)]);
  }
}
