import type { PollWatcher } from '../../posix/poll-watcher.ts';

export const POLLIN = 0x1;
export const POLLOUT = 0x4;

/** Loading libc takes 6 to 9 ms of the main thread, as long as `true` takes to run. */
const HANG_UP_DELAY_MS = 20;

/** The one watcher of this process. What is asked of it waits until it may load libc, which would delay a start. */
export class LazyPoll {
  #begin: () => void = () => undefined;
  readonly #begun = new Promise<void>((resolve) => {
    this.#begin = resolve;
  });
  #watcher: Promise<PollWatcher> | undefined;
  #isClosed = false;
  readonly #timers: NodeJS.Timeout[] = [];

  /** Resolves when the other side has gone. Most commands end before this is worth the loading of libc. */
  async waitForHangUp(fd: number): Promise<void> {
    await this.#begun;
    await new Promise((resolve) => {
      this.#delay(resolve);
    });
    await this.wait(fd, 0);
  }

  /** Resolves when one of the events, or an error or hang-up, shows on the descriptor; never, once this is closed. */
  async wait(fd: number, events: number): Promise<number> {
    await this.#begun;
    const watcher = await this.#load();
    return new Promise((resolve) => {
      if (!this.#isClosed) watcher.watch(fd, events, resolve);
    });
  }

  /** From now on libc may be loaded. */
  begin(): void {
    this.#begin();
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    void this.#watcher?.then((watcher) => {
      watcher.close();
    });
  }

  #delay(run: (value?: unknown) => void): void {
    if (!this.#isClosed) this.#timers.push(setTimeout(run, HANG_UP_DELAY_MS));
  }

  #load(): Promise<PollWatcher> {
    this.#watcher ??= import('../../posix/poll-watcher.ts').then(({ PollWatcher: Watcher }) => {
      const watcher = new Watcher();
      if (this.#isClosed) watcher.close();
      return watcher;
    });
    return this.#watcher;
  }
}
