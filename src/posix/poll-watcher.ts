import { closeSync, readSync, writeSync } from 'node:fs';
import { pollAsync } from './libc.ts';
import { createPipe } from './pipes.ts';

export const POLLIN = 0x1;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;

/** One watched descriptor. */
export interface PollWatch {
  /** Stops watching. The descriptor itself stays the caller's; close it after this. */
  close(): void;
}

interface Entry {
  readonly fd: number;
  readonly events: number;
  readonly callback: (events: number) => void;
}

const ENTRY_BYTES = 8;

/**
 * Tells when the other side of a descriptor has gone, which Node shows only after a failed write. One poll(2) in
 * one thread watches all descriptors; a pipe of its own wakes it when the set changes.
 *
 * The thread does not keep the process alive for longer than its last watch, nor its exit.
 */
export class PollWatcher {
  readonly #entries = new Map<number, Entry>();
  readonly #wakePipe = createPipe();
  readonly #onExit = (): void => this.close();
  #next = 0;
  #polling = false;
  #woken = false;
  #closed = false;

  constructor() {
    // A thread that is still in poll(2) would hold up process.exit().
    process.once('exit', this.#onExit);
  }

  /** Calls back once, when one of `events`, POLLERR or POLLHUP shows. */
  watch(fd: number, events: number, callback: (events: number) => void): PollWatch {
    if (this.#closed) throw new Error('The poll watcher is closed');
    const id = this.#next++;
    this.#entries.set(id, { fd, events, callback });
    this.#update();
    return {
      close: () => {
        if (this.#entries.delete(id)) this.#wake();
      },
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off('exit', this.#onExit);
    this.#entries.clear();
    this.#wake();
    if (!this.#polling) this.#closePipe();
  }

  #update(): void {
    if (this.#polling) this.#wake();
    else this.#poll();
  }

  #wake(): void {
    if (!this.#polling || this.#woken) return;
    this.#woken = true;
    writeSync(this.#wakePipe.writeEnd, 'w');
  }

  #poll(): void {
    const entries = [...this.#entries.values()];
    const set = toPollSet([{ fd: this.#wakePipe.readEnd, events: POLLIN }, ...entries]);
    this.#polling = true;
    pollAsync(set, entries.length + 1, -1, () => this.#polled(set, entries));
  }

  #polled(set: Buffer, entries: readonly Entry[]): void {
    this.#polling = false;
    if (this.#woken) readSync(this.#wakePipe.readEnd, Buffer.alloc(1));
    this.#woken = false;
    if (this.#closed) return this.#closePipe();
    const still = new Map([...this.#entries].map(([id, entry]) => [entry, id]));
    entries.forEach((entry, index) => {
      const events = set.readInt16LE((index + 1) * ENTRY_BYTES + 6);
      const id = still.get(entry);
      if (events === 0 || id === undefined || !this.#entries.delete(id)) return;
      entry.callback(events);
    });
    // A callback may have begun to poll again.
    if (this.#entries.size > 0 && !this.#isPolling()) this.#poll();
  }

  #isPolling(): boolean {
    return this.#polling;
  }

  #closePipe(): void {
    closeSync(this.#wakePipe.readEnd);
    closeSync(this.#wakePipe.writeEnd);
  }
}

/** struct pollfd { int fd; short events; short revents; } */
function toPollSet(entries: readonly { fd: number; events: number }[]): Buffer {
  const set = Buffer.alloc(entries.length * ENTRY_BYTES);
  entries.forEach(({ fd, events }, index) => {
    set.writeInt32LE(fd, index * ENTRY_BYTES);
    set.writeInt16LE(events, index * ENTRY_BYTES + 4);
  });
  return set;
}
