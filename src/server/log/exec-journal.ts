import { DEFAULT_WINDOW } from '../../protocol/api.ts';
import { OUTPUT_STREAMS, type OutputStream, type StreamBytes } from '../../protocol/events.ts';
import { ExecLog, type LogPiece } from './exec-log.ts';
import type { LogView } from './log-cursor.ts';
import type { StoredLog } from './stored-log.ts';

/** The most that one read of a pipe brings: credit for less than this is not used. */
const READ_BYTES = 64 * 1024;
/** What may wait to be written to disk, and how much of it goes in one write, in bytes. */
const STORE_QUEUE = 2 * 1024 * 1024;
const STORE_BATCH = 1024 * 1024;

const WINDOW: StreamBytes = { stdout: DEFAULT_WINDOW, stderr: DEFAULT_WINDOW };

/** The owner client, as far as the output has to know it. */
interface Holder {
  readonly window: StreamBytes;
  readonly acknowledged: Record<OutputStream, number>;
}

export interface ExecJournalHooks {
  /** There is more to see, or more room for what the command writes. */
  onChange(): void;
  log(line: string): void;
}

/**
 * What a command wrote, and how long it is kept: in memory until whoever holds the command back has it, the owner
 * client, the log on disk, or both. With a log on disk readers see what is in it, so that nothing that was shown can be
 * lost with the server.
 */
export class ExecJournal implements LogView {
  readonly memory = new ExecLog();
  readonly #hooks: ExecJournalHooks;
  #store: StoredLog | undefined;
  /** Offsets up to which the log on disk has been written, or has failed to be. */
  readonly #passed = { stdout: 0, stderr: 0 };
  /** What readers saw before there was a log on disk: it is not unseen by that. */
  readonly #shown = { stdout: 0, stderr: 0 };
  #isStoring = false;
  /** The last write failed, and that was told. */
  #isFailing = false;
  #onStored: (() => void) | undefined;
  #settled: Promise<void> | undefined;
  #owner: Holder | undefined;
  #isDiscarding = false;

  constructor(hooks: ExecJournalHooks) {
    this.#hooks = hooks;
  }

  get store(): StoredLog | undefined {
    return this.#store;
  }

  get visible(): StreamBytes {
    return this.#store === undefined ? this.memory.written : maxOf(this.#passed, this.#shown);
  }

  get written(): StreamBytes {
    return this.memory.written;
  }

  /** The offsets of a reader that has seen everything before `position`; undefined where some of that is gone. */
  async offsetsAt(position: number): Promise<StreamBytes | undefined> {
    return this.memory.offsetsAt(position) ?? (await this.#store?.offsetsAt(position));
  }

  /** From now on output goes to this log, from what is in memory on. */
  keepIn(store: StoredLog): void {
    this.#store = store;
    Object.assign(this.#passed, this.memory.oldest);
    Object.assign(this.#shown, this.memory.written);
    this.#storeMore();
  }

  /** The owner client holds the command back from these offsets on. */
  hold(from: StreamBytes, window: StreamBytes = WINDOW): void {
    this.#owner = { window, acknowledged: { ...from } };
    this.#isDiscarding = false;
    this.#release();
  }

  /** Nobody holds the command back but the log on disk; without one, what follows is read and thrown away. */
  letGo(): void {
    this.#owner = undefined;
    this.#isDiscarding = this.#store === undefined;
    this.#release();
  }

  append(stream: OutputStream, chunk: Uint8Array): void {
    if (this.#isDiscarding) {
      this.memory.skip(stream, chunk.length);
      return;
    }
    this.memory.append(stream, chunk, Date.now());
    this.#storeMore();
  }

  /** The owner client has everything before these offsets, which it was shown. */
  acknowledge(offsets: Partial<StreamBytes>): void {
    if (this.#owner === undefined) return;
    const { acknowledged } = this.#owner;
    for (const stream of OUTPUT_STREAMS) {
      acknowledged[stream] = Math.max(acknowledged[stream], offsets[stream] ?? 0);
    }
    this.#release();
  }

  /** Whether another read of the pipe may be kept. */
  hasRoom(stream: OutputStream): boolean {
    if (this.#isDiscarding) return true;
    const written = this.memory.written;
    if (this.#store !== undefined && this.#unstored + READ_BYTES > STORE_QUEUE) return false;
    if (this.#owner === undefined) {
      return (
        this.#store !== undefined ||
        written[stream] - this.memory.oldest[stream] + READ_BYTES <= DEFAULT_WINDOW
      );
    }
    const { window, acknowledged } = this.#owner;
    return written[stream] - acknowledged[stream] + READ_BYTES <= window[stream];
  }

  /** Nothing more will be written: resolves when the log on disk has all of it. */
  settle(): Promise<void> {
    this.#settled ??= this.#settle();
    return this.#settled;
  }

  async #settle(): Promise<void> {
    if (this.#unstored > 0) {
      await new Promise<void>((resolve) => {
        this.#onStored = resolve;
      });
    }
    try {
      await this.#store?.close();
    } catch (error) {
      this.#hooks.log(`A log on disk cannot be closed: ${String(error)}`);
    }
  }

  get #unstored(): number {
    if (this.#store === undefined) return 0;
    const { stdout, stderr } = this.memory.written;
    return stdout - this.#passed.stdout + (stderr - this.#passed.stderr);
  }

  #release(): void {
    for (const stream of OUTPUT_STREAMS) {
      const stored = this.#store === undefined ? Infinity : this.#passed[stream];
      const acknowledged = this.#owner?.acknowledged[stream] ?? Infinity;
      const offset = Math.min(stored, acknowledged);
      if (offset !== Infinity || this.#isDiscarding) this.memory.acknowledge(stream, offset);
    }
  }

  /** One write at a time, of all that has come meanwhile. */
  #storeMore(): void {
    const store = this.#store;
    if (store === undefined || this.#isStoring) return;
    const pieces = this.#collect();
    if (pieces.length === 0) return;
    this.#isStoring = true;
    const proceed = (isFailing: boolean): void => {
      this.#isStoring = false;
      this.#isFailing = isFailing;
      for (const { stream, offset, bytes } of pieces) this.#passed[stream] = offset + bytes.length;
      this.#release();
      this.#hooks.onChange();
      if (this.#unstored === 0) this.#onStored?.();
      else this.#storeMore();
    };
    store.append(pieces).then(
      () => {
        proceed(false);
      },
      (error: unknown) => {
        // The command is not to be harmed: readers are told of the gap, and what follows may be kept again. Many writes
        // may fail one after another: our own log lies on the same disk.
        if (!this.#isFailing) this.#hooks.log(`Output of an exec is not in its log: ${String(error)}`);
        proceed(true);
      },
    );
  }

  #collect(): LogPiece[] {
    const at = { ...this.#passed };
    const pieces: LogPiece[] = [];
    for (let bytes = 0; bytes < STORE_BATCH;) {
      const piece = this.memory.next(at, READ_BYTES);
      if (piece === undefined) break;
      pieces.push(piece);
      at[piece.stream] = piece.offset + piece.bytes.length;
      bytes += piece.bytes.length;
    }
    return pieces;
  }
}

function maxOf(a: StreamBytes, b: StreamBytes): StreamBytes {
  return { stdout: Math.max(a.stdout, b.stdout), stderr: Math.max(a.stderr, b.stderr) };
}
