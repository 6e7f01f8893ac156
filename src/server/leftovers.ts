/** How long one that could not be removed is left alone, in milliseconds. */
const RETRY_MS = 60_000;

export interface LeftoversOptions {
  readonly remove: (id: string) => Promise<void>;
  readonly log: (line: string) => void;
  readonly retryMs?: number;
}

/**
 * Sandboxes that are to go and that nobody waits for. They are removed in the background, one after another; one that
 * cannot be, because its runtime was uninstalled or its disk is read-only, is tried again now and then.
 */
export class Leftovers {
  readonly #options: LeftoversOptions;
  /** By id, what went wrong last. */
  readonly #left = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: LeftoversOptions) {
    this.#options = options;
  }

  /** One is being removed right now. */
  get isBusy(): boolean {
    return this.#round !== undefined;
  }

  has(id: string): boolean {
    return this.#left.has(id);
  }

  /** Removes it soon. */
  add(id: string): void {
    this.#left.set(id, '');
    this.#begin();
  }

  /** Takes over one that could not be removed, which is said in the log. */
  addFailed(id: string, error: unknown): void {
    this.#fail(id, error);
    this.#wait();
  }

  /** Waits for the removal that is under way; what is left then is for the next server. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #begin(): void {
    if (this.#isClosed || this.#round !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#round = this.#removeAll().then(() => {
      this.#round = undefined;
      if (this.#left.size > 0) this.#wait();
    });
  }

  #wait(): void {
    if (this.#isClosed || this.#round !== undefined) return;
    this.#timer ??= setTimeout(() => {
      this.#begin();
    }, this.#options.retryMs ?? RETRY_MS);
  }

  /** Those that are added meanwhile, too. */
  async #removeAll(): Promise<void> {
    // Whoever adds the first of many adds the others before they are looked at.
    await Promise.resolve();
    for (const id of this.#left.keys()) {
      if (this.#isClosed) return;
      try {
        await this.#options.remove(id);
        this.#left.delete(id);
      } catch (error) {
        this.#fail(id, error);
      }
    }
  }

  #fail(id: string, error: unknown): void {
    const why = String(error);
    // The same words every minute would bury the others.
    if (this.#left.get(id) !== why) this.#options.log(`Cannot remove the sandbox ${id} yet: ${why}`);
    this.#left.set(id, why);
  }
}
