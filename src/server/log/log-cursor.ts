import { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type OutputStream, type StreamBytes } from '../../protocol/events.ts';
import type { ExecLog, LogPiece } from './exec-log.ts';
import type { StoredLogReader } from './stored-log-reader.ts';
import type { StoredOutput } from './stored-output.ts';

/** Where the output of an exec can be found. */
export interface LogView {
  readonly memory: ExecLog | undefined;
  /** On disk; it may come to be while the exec runs. */
  readonly store: StoredOutput | undefined;
  /** What readers may see, as offsets in each stream. */
  readonly visible: StreamBytes;
}

/** How much of each stream a reader may be sent of what is in memory, and of what is on disk, in bytes. */
export interface Room {
  readonly memory: StreamBytes;
  readonly store: StreamBytes;
}

export interface NextOptions {
  /** Offsets before which the reader has everything. */
  readonly from: StreamBytes;
  readonly limit: number;
  readonly room: Room;
}

/** `later`: there is more, which the reader may not have yet or which is still being read; it will be woken. */
export type Next = LogPiece | 'later' | undefined;

/**
 * One reader's way through the output of an exec: in the order of positions, from memory where it is kept there, else
 * from disk. A piece that begins behind the reader's offset tells of a gap; one without bytes ends at it.
 */
export class LogCursor {
  readonly #view: LogView;
  readonly #wake: () => void;
  #reader: StoredLogReader | undefined;
  #isReading = false;
  #failure: Error | undefined;
  #isClosed = false;

  /** `wake` is called when a `later` may have become something. */
  constructor(view: LogView, wake: () => void) {
    this.#view = view;
    this.#wake = wake;
  }

  /** @throws SbxError `log_unreadable`, which is not to say that nothing is there */
  next(options: NextOptions): Next {
    if (this.#failure !== undefined) throw this.#failure;
    let first: LogPiece | undefined;
    let isLater = false;
    for (const stream of OUTPUT_STREAMS) {
      const piece = this.#find(stream, options);
      if (piece === 'unread') return 'later';
      if (piece === 'later') isLater = true;
      else if (piece !== undefined && (first === undefined || piece.position < first.position)) first = piece;
    }
    return first ?? (isLater ? 'later' : undefined);
  }

  close(): void {
    this.#isClosed = true;
    if (!this.#isReading) this.#closeReader();
  }

  #find(stream: OutputStream, { from, limit, room }: NextOptions): Next | 'unread' {
    const { memory, visible } = this.#view;
    const offset = from[stream];
    const most = Math.min(limit, visible[stream] - offset);
    if (most <= 0) return memory !== undefined && memory.written[stream] > offset ? 'later' : undefined;
    const kept = memory?.find(stream, offset, Math.min(most, room.memory[stream]));
    if (kept?.offset === offset) return kept.bytes.length > 0 ? kept : 'later';
    const stored = this.#findStored(stream, offset, Math.min(most, room.store[stream]));
    if (stored === 'unread' || stored === 'later') return stored;
    // Behind the reader either may begin first: a log on disk can have lost what memory still has.
    const piece = earlier(stored, kept);
    // The gap is told at once; the bytes behind it wait for room.
    if (piece === undefined || piece.offset >= visible[stream]) return toEndOfGap(stream, visible[stream]);
    return { ...piece, bytes: piece.bytes.subarray(0, visible[stream] - piece.offset) };
  }

  #findStored(stream: OutputStream, offset: number, limit: number): Next | 'unread' {
    const { store } = this.#view;
    if (store === undefined || store.stored[stream] <= offset) return undefined;
    if (this.#isReading) return 'unread';
    this.#reader ??= store.openReader();
    const piece = this.#reader.take(stream, offset, Math.max(1, limit));
    if (piece === 'unread') this.#read(this.#reader, stream, offset);
    else if (piece?.offset === offset && limit <= 0) return 'later';
    return piece;
  }

  #read(reader: StoredLogReader, stream: OutputStream, offset: number): void {
    this.#isReading = true;
    const proceed = (): void => {
      this.#isReading = false;
      if (this.#isClosed) this.#closeReader();
      else this.#wake();
    };
    reader.read(stream, offset, 1).then(proceed, (error: unknown) => {
      this.#failure = new SbxError('log_unreadable', (error as Error).message, { cause: error });
      proceed();
    });
  }

  #closeReader(): void {
    void this.#reader?.close();
    this.#reader = undefined;
  }
}

function earlier(one: LogPiece | undefined, other: LogPiece | undefined): LogPiece | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.offset < one.offset ? other : one;
}

/** Nothing is kept up to here. */
function toEndOfGap(stream: OutputStream, offset: number): LogPiece {
  return { stream, position: 0, offset, time: 0, bytes: Buffer.alloc(0) };
}
