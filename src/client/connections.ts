import { toLost } from './lost.ts';
import type { Connection, Transport } from './transport.ts';

/** The connections of one exec: each ends with it, also one that is opened while it ends. */
export class Connections {
  readonly #transport: Transport;
  readonly #open = new Set<Connection>();
  #isClosed = false;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async open(): Promise<Connection> {
    if (this.#hasClosed()) throw toLost('it was closed here');
    const connection = await this.#transport.connect();
    this.#open.add(connection);
    if (this.#hasClosed()) connection.close();
    return connection;
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#open) connection.close();
  }

  #hasClosed(): boolean {
    return this.#isClosed;
  }
}
