import { SilenceWatch } from '../protocol/silence-watch.ts';
import type { OpenStream } from './event-stream.ts';
import { ExecReader, type ReaderHooks, type ReaderSettings } from './exec-reader.ts';

export interface ExecReadersHooks extends Pick<ReaderHooks, 'view' | 'end' | 'terminal' | 'onSent'> {
  /** The owner client will not come back, or has not come back in time. */
  onOwnerGone(): void;
}

/** The client that feeds stdin and holds the command back. */
export interface Owner {
  /** Undefined for one that cannot come back: it has no name. */
  readonly client: string | undefined;
  /** How long it is waited for when it was cut off, in milliseconds. */
  readonly graceMs: number;
}

/** Who reads one exec: the owner client, which is waited for when it was cut off, and any number of watchers. */
export class ExecReaders {
  readonly #hooks: ExecReadersHooks;
  readonly #readers = new Set<ExecReader>();
  #owner: Owner | undefined;
  #ownReader: ExecReader | undefined;
  #isDestroyed = false;
  /** Waits for the owner client, while it has no reader. It may come while we sleep: then it is heard first. */
  #grace: SilenceWatch | undefined;
  /** Readers that are about to be added. */
  #expected = 0;
  #onAllRead: (() => void)[] = [];

  constructor(hooks: ExecReadersHooks) {
    this.#hooks = hooks;
  }

  get owner(): Owner | undefined {
    return this.#owner;
  }

  /** The owner client is there, and not cut off. */
  get isOwnerReading(): boolean {
    return this.#ownReader !== undefined;
  }

  /**
   * Resolves when the exec has ended, no reader is left or on its way, and the owner client, where there is one, needs it
   * no more. Another may come after that, as long as the exec can be found.
   */
  get allRead(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAllRead.push(resolve);
      this.checkAllRead();
    });
  }

  /** The owner client's socket does not take what there is to send. */
  get isOwnerBehind(): boolean {
    return this.#ownReader?.isBehind ?? false;
  }

  /** Makes somebody the owner client, whose reader is added next. One that was it before becomes a watcher. */
  setOwner(owner: Owner): void {
    this.#grace?.stop();
    const before = this.#ownReader;
    this.#ownReader = undefined;
    if (before !== undefined) {
      before.demote();
      // Its own stream of before: the client knows better than we do that this connection is dead.
      if (before.client !== undefined && before.client === owner.client) before.destroy();
      else before.send({ type: 'taken' });
    }
    this.#owner = owner;
  }

  add(settings: ReaderSettings, open: OpenStream): ExecReader {
    const reader = new ExecReader(
      settings,
      {
        ...this.#hooks,
        onCompleted: (completed) => {
          this.#onCompleted(completed);
        },
        onGone: (gone) => {
          this.#remove(gone);
        },
      },
      open,
    );
    this.#readers.add(reader);
    if (reader.isOwner) this.#ownReader = reader;
    return reader;
  }

  /** A reader is on its way; what is given is called once, when it has been added or will not be. */
  expect(): () => void {
    this.#expected += 1;
    return () => {
      this.#expected -= 1;
      this.checkAllRead();
    };
  }

  /** The owner client lives, though it may have no reader: it still takes what the socket took before. */
  hearOwner(): void {
    this.#grace?.hear();
  }

  /** The newest reader of a client; without a name the owner's. */
  find(client: string | undefined): ExecReader | undefined {
    if (client === undefined) return this.#ownReader;
    return [...this.#readers].findLast((reader) => reader.client === client);
  }

  /** There may be something new to send. */
  wake(): void {
    for (const reader of this.#readers) reader.wake();
  }

  /** Sends an event without payload to everyone, at once. */
  tell(event: Parameters<ExecReader['send']>[0]): void {
    for (const reader of this.#readers) reader.send(event);
  }

  /** The owner client says that it will not come back. */
  leave(): void {
    this.#endOwner();
  }

  /** Whether the exec has ended and everyone was told may have changed. */
  checkAllRead(): void {
    if (this.#hooks.terminal() === undefined || this.#owner !== undefined) return;
    if (this.#readers.size > 0 || this.#expected > 0) return;
    for (const resolve of this.#onAllRead.splice(0)) resolve();
  }

  /** Lets go of connections and timers: nobody is waited for any more. */
  destroy(): void {
    this.#isDestroyed = true;
    this.#grace?.stop();
    for (const reader of this.#readers) reader.destroy();
  }

  #onCompleted(reader: ExecReader): void {
    // For a reader without a window what the socket took counts as acknowledged: its end, too.
    if (reader.isOwner && reader.window === undefined) this.#endOwner();
  }

  #remove(reader: ExecReader): void {
    this.#readers.delete(reader);
    if (reader === this.#ownReader) this.#ownReader = undefined;
    if (reader.isOwner && this.#owner !== undefined && !this.#isDestroyed) {
      const { client, graceMs } = this.#owner;
      if (client === undefined) this.#endOwner();
      else {
        this.#grace = new SilenceWatch(graceMs, () => {
          this.#endOwner();
        });
      }
    }
    this.checkAllRead();
  }

  #endOwner(): void {
    if (this.#owner === undefined) return;
    this.#grace?.stop();
    this.#owner = undefined;
    this.#ownReader?.demote();
    this.#ownReader = undefined;
    this.#hooks.onOwnerGone();
    this.checkAllRead();
  }
}
