import { toLost } from './lost.ts';
import type { Connection, Transport } from './transport.ts';

/** The connections of one exec: each ends with it, also one that is being opened. */
export class Connections {
  readonly #transport: Transport;
  readonly #open = new Set<Connection>();
  readonly #closing = new AbortController();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async open(): Promise<Connection> {
    const { signal } = this.#closing;
    if (signal.aborted) throw toLost('it was closed here');
    const connection = await this.#transport.connect(signal);
    this.#open.add(connection);
    if (hasAborted(signal)) connection.close();
    return connection;
  }

  close(): void {
    this.#closing.abort();
    for (const connection of this.#open) connection.close();
  }
}

/** It may have changed since it was asked last. */
function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
