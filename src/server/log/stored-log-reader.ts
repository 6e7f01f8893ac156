import { open, type FileHandle } from 'node:fs/promises';
import { OUTPUT_STREAMS, type OutputStream, type StreamBytes } from '../../protocol/events.ts';
import {
  MAX_FRAME_BYTES,
  OUTPUT_HEAD_BYTES,
  parseOutputHead,
  type OutputHead,
} from '../../protocol/frames.ts';
import type { LogPiece } from './exec-log.ts';
import { isMissing, toStoredError } from './stored-error.ts';
import type { SegmentList, StoredIndex } from './stored-index.ts';
import type { Segment } from './stored-segment.ts';

/** A buffer holds so many of the largest frames, and no part of one too many. */
const BUFFER = 8 * (OUTPUT_HEAD_BYTES + MAX_FRAME_BYTES);

/** What a reader answers that has to be asked with `read`, because the bytes are not in its buffer. */
export type Unread = 'unread';

/**
 * Reads a log from any offset on, at best forwards. It has a descriptor and a buffer of half a MiB for each stream
 * that is read; a segment that is deleted while it is open here is still read to its end.
 */
export class StoredLogReader {
  readonly #streams: Readonly<Record<OutputStream, StreamReader>>;

  constructor(index: StoredIndex) {
    this.#streams = { stdout: new StreamReader(index, 'stdout'), stderr: new StreamReader(index, 'stderr') };
  }

  /**
   * The first stored bytes at or after `offset`, at most `limit` of them; undefined where there are none (yet). They
   * are valid until the next `read` of that stream, for which this one has to be awaited.
   * @throws SbxError `state_dir_unusable`
   */
  async read(stream: OutputStream, offset: number, limit: number): Promise<LogPiece | undefined> {
    return this.#streams[stream].read(offset, limit);
  }

  /** As `read`, out of the buffer and at once. Not while a `read` of that stream is under way. */
  take(stream: OutputStream, offset: number, limit: number): LogPiece | Unread | undefined {
    return this.#streams[stream].take(offset, limit);
  }

  /** As `read`, of that stream which comes first in the order of positions. */
  async readNext(offsets: StreamBytes, limit: number): Promise<LogPiece | undefined> {
    await Promise.all(OUTPUT_STREAMS.map((stream) => this.read(stream, offsets[stream], limit)));
    const piece = this.takeNext(offsets, limit);
    return piece === 'unread' ? this.readNext(offsets, limit) : piece;
  }

  /** As `take`, of that stream which comes first in the order of positions. */
  takeNext(offsets: StreamBytes, limit: number): LogPiece | Unread | undefined {
    const stdout = this.take('stdout', offsets.stdout, limit);
    const stderr = this.take('stderr', offsets.stderr, limit);
    if (stdout === 'unread' || stderr === 'unread') return 'unread';
    if (stdout === undefined || stderr === undefined) return stdout ?? stderr;
    return stdout.position < stderr.position ? stdout : stderr;
  }

  /** Resolves when its descriptors are closed; a `read` that is under way gives nothing. */
  async close(): Promise<void> {
    await Promise.all(OUTPUT_STREAMS.map((stream) => this.#streams[stream].close()));
  }
}

class StreamReader {
  readonly #index: StoredIndex;
  readonly #list: SegmentList;
  #segment: Segment | undefined;
  #file: FileHandle | undefined;
  #buffer: Buffer | undefined;
  /** Where in the file the buffer begins, how much of it is filled, and where in it the next frame begins. */
  #base = 0;
  #filled = 0;
  #at = 0;
  /** Every frame before the next one ends at or before this offset. */
  #passed = 0;
  /** What follows in the segment is no whole frame. */
  #isTorn = false;
  /** How much was stored when it was found that nothing follows. */
  #allSeen = -1;
  #advancing: Promise<boolean> | undefined;
  #isClosed = false;

  constructor(index: StoredIndex, stream: OutputStream) {
    this.#index = index;
    this.#list = index.streams[stream];
  }

  take(offset: number, limit: number): LogPiece | Unread | undefined {
    const { stored } = this.#list;
    if (offset >= stored) return undefined;
    if (offset < this.#passed) return 'unread';
    for (let head = this.#peek(); head !== undefined; head = this.#peek()) {
      const end = head.offset + head.length;
      if (end > offset) return this.#toPiece(head, Math.max(0, offset - head.offset), limit);
      this.#passed = end;
      this.#at += OUTPUT_HEAD_BYTES + head.length;
    }
    return stored === this.#allSeen ? undefined : 'unread';
  }

  async read(offset: number, limit: number): Promise<LogPiece | undefined> {
    for (;;) {
      const piece = this.take(offset, limit);
      if (piece !== 'unread') return piece;
      this.#advancing = this.#advance(offset);
      if (!(await this.#advancing)) return undefined;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#advancing?.catch(() => undefined);
    this.#buffer = undefined;
    await this.#enter(undefined);
  }

  /** The next frame, where the buffer has all of it. */
  #peek(): OutputHead | undefined {
    if (this.#buffer === undefined) return undefined;
    const head = parseOutputHead(this.#buffer, this.#at, this.#filled);
    if (head === undefined || this.#at + OUTPUT_HEAD_BYTES + head.length > this.#filled) return undefined;
    return head;
  }

  #toPiece(head: OutputHead, skipped: number, limit: number): LogPiece {
    const from = this.#at + OUTPUT_HEAD_BYTES;
    return {
      stream: head.type,
      position: head.position - head.length + skipped,
      offset: head.offset + skipped,
      time: head.time,
      bytes: (this.#buffer as Buffer).subarray(from + skipped, from + Math.min(head.length, skipped + limit)),
    };
  }

  /** Fills the buffer with what comes next on the way to `offset`; false where there is nothing. */
  async #advance(offset: number): Promise<boolean> {
    if (this.#isClosed) return false;
    const isBack = offset < this.#passed;
    const segment = this.#choose(offset, isBack);
    if (segment === undefined) {
      this.#allSeen = this.#list.stored;
      return false;
    }
    try {
      if (isBack || segment !== this.#segment) {
        this.#passed = offset;
        await this.#enter(segment);
      }
      await this.#fill(segment);
      return true;
    } catch (cause) {
      throw toStoredError(segment.path, cause);
    }
  }

  /** The segment to read from next: the one that is open, as long as there may be something in it. */
  #choose(offset: number, isBack: boolean): Segment | undefined {
    const floor = this.#list.floor('offset', offset);
    const current = this.#segment;
    if (current === undefined || isBack) return floor ?? this.#list.first;
    if (floor !== undefined && floor.offset > current.offset) return floor;
    const isAtEnd = this.#isTorn || this.#base + this.#at >= current.size;
    return isAtEnd ? this.#list.after(current) : current;
  }

  /** Goes to the beginning of a segment. */
  async #enter(segment: Segment | undefined): Promise<void> {
    const file = this.#file;
    if (segment !== this.#segment) this.#file = undefined;
    this.#segment = segment;
    this.#base = 0;
    this.#filled = 0;
    this.#at = 0;
    this.#isTorn = false;
    this.#allSeen = -1;
    if (this.#file === undefined) await file?.close();
  }

  async #fill(segment: Segment): Promise<void> {
    const file = await this.#open(segment);
    if (file === undefined) return;
    this.#buffer ??= Buffer.allocUnsafeSlow(BUFFER);
    this.#base += this.#at;
    this.#at = 0;
    this.#filled = 0;
    const wanted = Math.min(this.#buffer.length, segment.size - this.#base);
    this.#filled = await readAll(file, this.#buffer.subarray(0, wanted), this.#base);
    this.#isTorn = this.#peek() === undefined;
  }

  /** Undefined where the file was deleted since it was chosen: there is another one to choose then. */
  async #open(segment: Segment): Promise<FileHandle | undefined> {
    try {
      this.#file ??= await open(segment.path, 'r');
      return this.#file;
    } catch (cause) {
      if (!isMissing(cause)) throw cause;
      // Where somebody else has deleted it, it is still in the index.
      this.#index.remove(segment);
      this.#segment = undefined;
      return undefined;
    }
  }
}

/** Fills a buffer from a place in a file; how much of it there was. */
async function readAll(file: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
