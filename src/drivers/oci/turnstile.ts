/**
 * Lets at most `limit` pieces of work run at once; the others wait in the order they came. `idle` follows the last, and
 * never throws: that would take the place of what the work gave.
 */
export class Turnstile {
  readonly #limit: number;
  readonly #idle: () => void;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limit: number, idle: () => void) {
    this.#limit = limit;
    this.#idle = idle;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // Whoever waits takes the place over; the count stays.
      const next = this.#waiting.shift();
      if (next) next();
      else {
        this.#running -= 1;
        if (this.isIdle) this.#idle();
      }
    }
  }
}
