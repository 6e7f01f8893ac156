/** Clients that are remembered: those that can come back are few. */
const CLIENTS = 64;

/**
 * Whose stdin it is. A client that comes back knows how much it has sent, but not how much of that came before another
 * client fed the exec: only here is that known.
 */
export class StdinTurns {
  readonly #fed = new Map<string, number>();
  #client: string | undefined;

  /** It is this client's turn from here on; the server has stdin up to `accepted`. */
  begin(client: string | undefined, accepted: number): void {
    const before = this.#client;
    this.#client = client;
    if (before === undefined || before === client) return;
    this.#fed.delete(before);
    this.#fed.set(before, accepted);
    const [oldest] = this.#fed.keys();
    if (this.#fed.size > CLIENTS && oldest !== undefined) this.#fed.delete(oldest);
  }

  /** A client sends: it knows what others have sent before. */
  feed(client: string | undefined, accepted: number): void {
    this.begin(client, accepted);
    if (client !== undefined) this.#fed.delete(client);
  }

  /** Up to where stdin came from a client, where another had its turn and this one has sent nothing since. */
  fedBy(client: string | undefined): number | undefined {
    return client === undefined ? undefined : this.#fed.get(client);
  }
}
