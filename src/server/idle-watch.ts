/** A tick that comes so much later than it should tells that we slept, in milliseconds. */
const SHORTEST_SLEEP_MS = 100;

export interface IdleWatchHooks {
  isBusy(): boolean;
  /** It is about to be idle: nobody new may come from now on. */
  onLeaving(): void;
  /** Somebody had come before that: others may come again. */
  onStaying(): void;
  /** Runs once, when nothing has been busy for the given time, and nobody can come any more. */
  onIdle(): void;
}

/**
 * Looks now and then: idleness has no event. A process that slept counts from its waking: its timers run before it
 * sees who came meanwhile.
 */
export class IdleWatch {
  readonly #timer: NodeJS.Timeout;
  readonly #idleMs: number;
  readonly #interval: number;
  readonly #hooks: IdleWatchHooks;
  #idleSince = performance.now();
  #ticked = performance.now();
  #lastLook: NodeJS.Immediate | undefined;

  constructor(idleMs: number, hooks: IdleWatchHooks) {
    this.#idleMs = idleMs;
    this.#interval = Math.min(1_000, idleMs / 4);
    this.#hooks = hooks;
    this.#timer = setInterval(() => {
      this.#tick();
    }, this.#interval);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearImmediate(this.#lastLook);
  }

  #tick(): void {
    const now = performance.now();
    const hasSlept = now - this.#ticked > this.#interval + Math.max(SHORTEST_SLEEP_MS, this.#interval);
    this.#ticked = now;
    if (hasSlept || this.#hooks.isBusy()) this.#idleSince = now;
    else if (now - this.#idleSince >= this.#idleMs) {
      this.#hooks.onLeaving();
      // Whoever has connected before is seen by then.
      this.#lastLook = setImmediate(() => {
        this.#decide();
      });
    }
  }

  #decide(): void {
    if (this.#hooks.isBusy()) {
      this.#idleSince = performance.now();
      this.#hooks.onStaying();
      return;
    }
    this.stop();
    this.#hooks.onIdle();
  }
}
