/** Clients whose last number is remembered: those that can come back are few. */
const CLIENTS = 64;

/** The signals of each client are numbered, so that one that is sent again after a cut is taken once. */
export class SignalNumbers {
  readonly #last = new Map<string, number>();

  /** The number of the client's last signal that was taken. */
  lastOf(client: string | undefined): number {
    return client === undefined ? 0 : (this.#last.get(client) ?? 0);
  }

  /** False for one that was taken before. */
  isNew(client: string | undefined, number: number | undefined): boolean {
    if (client === undefined || number === undefined) return true;
    if (number <= this.lastOf(client)) return false;
    this.#last.delete(client);
    this.#last.set(client, number);
    const [oldest] = this.#last.keys();
    if (this.#last.size > CLIENTS && oldest !== undefined) this.#last.delete(oldest);
    return true;
  }
}
