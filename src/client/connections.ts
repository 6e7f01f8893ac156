import { toLost } from './lost.ts';
import type { Connection, Transport } from './transport.ts';

/** The connections of one exec: each ends with it, also one that is being opened. */
export class Connections {
  readonly #transport: Transport;
  readonly #open = new Set<Connection>();
  /** For attempts that take their time. A Unix socket is connected at once, and an exec there is spared a millisecond. */
  readonly #attempts: AbortController | undefined;
  #isClosed = false;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#attempts = transport.isLocal ? undefined : new AbortController();
  }

  async open(): Promise<Connection> {
    if (this.#hasClosed()) throw toLost('it was closed here');
    const connection = await this.#transport.connect(this.#attempts?.signal);
    this.#open.add(connection);
    if (this.#hasClosed()) connection.close();
    return connection;
  }

  /** Ends one of them before the others. */
  drop(connection: Connection): void {
    this.#open.delete(connection);
    connection.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#attempts?.abort();
    for (const connection of this.#open) connection.close();
  }

  #hasClosed(): boolean {
    return this.#isClosed;
  }
}
