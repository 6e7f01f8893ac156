/** Runs `onIdle` once when nothing has been busy for the given time. Looks now and then: idleness has no event. */
export class IdleWatch {
  readonly #timer: NodeJS.Timeout;

  constructor(idleMs: number, isBusy: () => boolean, onIdle: () => void) {
    const interval = Math.min(1_000, idleMs / 4);
    let idleSince = performance.now();
    this.#timer = setInterval(() => {
      if (isBusy()) idleSince = performance.now();
      else if (performance.now() - idleSince >= idleMs) {
        this.stop();
        onIdle();
      }
    }, interval);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
