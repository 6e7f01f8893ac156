import type { StreamBytes } from '../protocol/events.ts';
import type { EventSource, EventStream } from './event-stream.ts';

/** Opens a stream that shows a source, from these offsets on. */
export type OpenStream = (source: EventSource, from: StreamBytes) => EventStream;

export interface ExecReadersHooks {
  readonly next: EventSource['next'];
  readonly terminal: EventSource['terminal'];
  /** The owner client's socket took everything up to these offsets. */
  onClientSent(offsets: StreamBytes): void;
  onClientGone(): void;
}

const FROM_START: StreamBytes = { stdout: 0, stderr: 0 };

/** Who reads one exec: the owner client, which holds the child back and whose going ends it, and any number of watchers. */
export class ExecReaders {
  readonly #hooks: ExecReadersHooks;
  #client: EventStream | undefined;
  readonly #watchers = new Set<EventStream>();
  #onAllRead: () => void = () => undefined;
  /** Resolves when the exec has ended and no reader is left. */
  readonly allRead = new Promise<void>((resolve) => {
    this.#onAllRead = resolve;
  });

  constructor(hooks: ExecReadersHooks) {
    this.#hooks = hooks;
  }

  /** The client's socket does not take what there is to send. */
  get isClientBehind(): boolean {
    return this.#client?.isBehind ?? false;
  }

  addClient(open: OpenStream): void {
    this.#client = open(
      this.#sourceFor((sent) => {
        this.#hooks.onClientSent(sent);
      }),
      FROM_START,
    );
  }

  /** A watcher sees what is still kept and what comes; it holds nothing back. */
  addWatcher(open: OpenStream, from: StreamBytes): void {
    this.#watchers.add(
      open(
        this.#sourceFor(() => undefined),
        from,
      ),
    );
  }

  /** There is something new to send. */
  wake(): void {
    this.#client?.wake();
    for (const watcher of this.#watchers) watcher.wake();
  }

  /** Sends an event without payload to everyone, at once. */
  tell(event: Parameters<EventStream['send']>[0]): void {
    this.#client?.send(event);
    for (const watcher of this.#watchers) watcher.send(event);
  }

  /** Whether the exec has ended and everyone was told may have changed. */
  checkAllRead(): void {
    const isEnded = this.#hooks.terminal() !== undefined;
    if (isEnded && this.#client === undefined && this.#watchers.size === 0) this.#onAllRead();
  }

  destroy(): void {
    this.#client?.destroy();
    for (const watcher of this.#watchers) watcher.destroy();
  }

  #sourceFor(onSent: EventSource['onSent']): EventSource {
    const { next, terminal } = this.#hooks;
    return {
      next,
      terminal,
      onSent,
      onClosed: (stream) => {
        this.#remove(stream);
      },
    };
  }

  #remove(stream: EventStream): void {
    if (stream === this.#client) {
      this.#client = undefined;
      this.#hooks.onClientGone();
    } else this.#watchers.delete(stream);
    this.checkAllRead();
  }
}
