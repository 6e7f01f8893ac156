/** Less than this is no sleep but a busy moment, in milliseconds. */
const SHORTEST_MS = 100;

/**
 * Tells when nothing has been heard for too long. A process that itself slept (SIGSTOP, a closed laptop) counts from
 * its waking: what came meanwhile has not been read yet.
 */
export class SilenceWatch {
  readonly #timer: NodeJS.Timeout;
  #heard = performance.now();
  #ticked = performance.now();

  constructor(limitMs: number, onSilence: () => void) {
    const interval = Math.max(SHORTEST_MS, limitMs / 5);
    this.#timer = setInterval(() => {
      const now = performance.now();
      if (now - this.#ticked > 2 * interval) this.#heard = now;
      this.#ticked = now;
      // A tick may come a little early.
      if (now - this.#heard > limitMs - interval / 2) onSilence();
    }, interval);
  }

  hear(): void {
    this.#heard = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
