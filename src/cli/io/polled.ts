import type { PollWatcher } from '../../posix/poll-watcher.ts';

export const POLLIN = 0x1;
export const POLLOUT = 0x4;

/** The one watcher of this process. What is asked of it waits until it may load libc, which would delay a start. */
export class LazyPoll {
  #begin: () => void = () => undefined;
  readonly #begun = new Promise<void>((resolve) => {
    this.#begin = resolve;
  });
  #watcher: Promise<PollWatcher> | undefined;
  #isClosed = false;

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
    void this.#watcher?.then((watcher) => {
      watcher.close();
    });
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
