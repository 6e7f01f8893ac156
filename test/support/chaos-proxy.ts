import { once } from 'node:events';
import { chown, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { routes } from '../../src/protocol/api.ts';
import { CALLER, makeDirectory } from './caller.ts';
import { ChaosLink, type LinkOwner, type Mark } from './chaos-link.ts';
import { planFaults, toSeed, type PlanOptions } from './chaos-plan.ts';
import { OWN_ADDRESS } from './own-address.ts';

export interface ChaosProxyOptions extends Omit<PlanOptions, 'seed'> {
  /** The socket of the server, asked for at each connection: a restarted one may have another. */
  readonly upstream: () => string;
  /** Of the faults; without one the proxy passes everything on, but for what a test orders. */
  readonly seed?: number;
  /** No fault happens after so many cuts, so that a run comes to its end; 40 where nothing is said. */
  readonly maxCuts?: number;
  /** Answers an upgrade to a channel as a server that knows none. */
  readonly refusesUpgrades?: boolean;
}

/**
 * Stands between client and server and makes the network bad: cuts, stalls, breaks into pieces and delays connections
 * after seeded numbers of bytes and reads, and when a test says so. It listens on a Unix socket that the caller of
 * `sbx` may use, and on TCP.
 */
export class ChaosProxy {
  /** Cuts of connections on which something had passed. */
  cuts = 0;
  connections = 0;
  /** What is said, instead of the server, to who begins a connection so; nothing at all with ''. Undefined passes it on. */
  answer: (first: string) => string | undefined = () => undefined;
  /** How often that happened. */
  answers = 0;
  /** What has cut which connection, in order. */
  readonly journal: string[] = [];
  readonly #options: ChaosProxyOptions;
  readonly #directory: string;
  readonly #links = new Map<ChaosLink, number>();
  readonly #orders = new Map<Mark, () => void>();
  #servers: Server[] = [];
  #port = 0;
  #isStopped = false;
  #thaw: () => void = () => undefined;
  #thawed: Promise<void> = Promise.resolve();

  private constructor(options: ChaosProxyOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
  }

  static async open(options: ChaosProxyOptions): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(options, await makeDirectory('chaos-'));
    await proxy.resume();
    return proxy;
  }

  get socketPath(): string {
    return join(this.#directory, 'proxy.sock');
  }

  /** For `--host`, by the Unix socket. */
  get host(): string {
    return `unix://${this.socketPath}`;
  }

  /** For `--host`, by TCP. */
  get tcpHost(): string {
    return `http://${OWN_ADDRESS}:${this.#port}`;
  }

  /** Cuts every connection; gives how many had been used. */
  cutNow(): number {
    const before = this.cuts;
    for (const link of this.#links.keys()) link.cut('reset', { where: 'by order' });
    return this.cuts - before;
  }

  /** Cuts, once, the connection on which these bytes come next; resolves when it has. */
  cutAt(mark: Mark): Promise<void> {
    return new Promise((resolve) => this.#orders.set(mark, resolve));
  }

  /** No more faults: a run can come to its end. */
  stopCutting(): void {
    this.#isStopped = true;
  }

  /** Cuts everything and refuses connections, as where no server is. */
  async pause(): Promise<void> {
    const closed = this.#servers.map((server) => once(server, 'close'));
    for (const server of this.#servers.splice(0)) server.close();
    for (const link of this.#links.keys()) link.cut('reset', { where: 'by pause' });
    await Promise.all(closed);
  }

  async resume(): Promise<void> {
    this.#servers = [
      await this.#listen({ path: this.socketPath }),
      await this.#listen({ port: this.#port, host: OWN_ADDRESS }),
    ];
    this.#port = (this.#servers[1]!.address() as AddressInfo).port;
    await chown(this.socketPath, CALLER.uid, CALLER.gid);
  }

  /** Takes connections and everything that is sent, and passes nothing on, as a network that has gone dark. */
  freeze(): void {
    this.#thawed = new Promise((resolve) => (this.#thaw = resolve));
  }

  thaw(): void {
    this.#thaw();
  }

  /** Ends all connections and leaves nothing behind. */
  async close(): Promise<void> {
    this.thaw();
    const closed = this.#servers.map((server) => once(server, 'close'));
    for (const server of this.#servers.splice(0)) server.close();
    for (const link of this.#links.keys()) link.destroy();
    await Promise.all(closed);
    await rm(this.#directory, { recursive: true });
  }

  /** For the message of a test that failed. */
  toString(): string {
    const { seed } = this.#options;
    return [
      `seed ${seed ?? 'none'}: ${this.cuts} cuts in ${this.connections} connections`,
      ...this.journal,
    ].join('\n');
  }

  /** The proxy's own, or what a server says that knows no channels. */
  #findAnswer(first: string): string | undefined {
    const isRefused = this.#options.refusesUpgrades === true && first.startsWith(UPGRADE);
    const answer = this.answer(first);
    if (answer !== undefined) this.answers += 1;
    return answer ?? (isRefused ? NO_SUCH_ROUTE : undefined);
  }

  async #listen(where: { path: string } | { port: number; host: string }): Promise<Server> {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      this.#join(client);
    });
    server.listen(where);
    await once(server, 'listening');
    return server;
  }

  #join(client: Socket): void {
    this.connections += 1;
    const number = this.connections;
    const upstream = connect({ path: this.#options.upstream(), allowHalfOpen: true });
    this.#links.set(new ChaosLink({ client, upstream }, this.#createOwner(number)), number);
  }

  #createOwner(number: number): LinkOwner {
    const { seed, bytes, reads, maxCuts = 40 } = this.#options;
    return {
      plan:
        seed === undefined
          ? undefined
          : (direction) => planFaults({ seed: toSeed(seed, number, direction), bytes, reads }),
      isRough: () => !this.#isStopped && this.cuts < maxCuts,
      thawed: () => this.#thawed,
      marks: () => [...this.#orders.keys()],
      refuse: (first) => this.#findAnswer(first.toString('latin1')),
      onCut: (link, { mark, where }) => {
        if (link.isUsed) this.cuts += 1;
        this.journal.push(`connection ${number}: ${where}`);
        if (mark === undefined) return;
        this.#orders.get(mark)?.();
        this.#orders.delete(mark);
      },
      onClose: (link) => this.#links.delete(link),
    };
  }
}

/** What begins a connection that is to be a channel. */
export const UPGRADE = `GET ${routes.channel} `;

const NO_SUCH_ROUTE = toAnswer(
  '404 Not Found',
  JSON.stringify({ error: { code: 'route_not_found', message: 'There is no such route', hint: '-' } }),
);

/** An answer behind which the connection is closed. */
export function toAnswer(status: string, body: string): string {
  const head = [`HTTP/1.1 ${status}`, 'content-type: application/json', 'connection: close'];
  return [...head, `content-length: ${body.length}`, '', body].join('\r\n');
}
