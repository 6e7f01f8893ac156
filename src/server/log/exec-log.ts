import type { OutputStream, StreamBytes } from '../../protocol/events.ts';
import { BlockPool } from './block-pool.ts';

/** Bytes of one stream as they were read. `bytes` may be the head of a larger buffer that still fills. */
interface LogRecord {
  readonly position: number;
  readonly offset: number;
  readonly time: number;
  buffer: Buffer;
  length: number;
}

/** A piece of a record, ready to be sent. `position` and `offset` are those of its first byte. */
export interface LogPiece {
  readonly stream: OutputStream;
  readonly position: number;
  readonly offset: number;
  readonly time: number;
  readonly bytes: Buffer;
}

/** Records smaller than this grow instead of being followed by another, so that tiny writes cost no memory each. */
const SMALL = 4096;
/** Records from this size on lie in blocks that are used again. */
const LARGE = 16 * 1024;
const blocks = new BlockPool({ size: 64 * 1024, most: 64 });

/** From this many records on, small ones are joined whatever their time. */
const MANY = 1024;

/** The records of one stream, oldest first; what is acknowledged is dropped from the front. */
class StreamLog {
  records: LogRecord[] = [];
  /** Index of the first record that is still kept. */
  #head = 0;
  written = 0;
  acknowledged = 0;
  /** The position after the last byte that was let go of. */
  releasedTo = 0;

  get last(): LogRecord | undefined {
    return this.records.length > this.#head ? this.records.at(-1) : undefined;
  }

  get size(): number {
    return this.records.length - this.#head;
  }

  /** Offset of the first byte that is kept, or of the next one. */
  get oldest(): number {
    return this.records[this.#head]?.offset ?? this.written;
  }

  /** Offset of the first byte at or behind `position`, were both streams one. */
  offsetAt(position: number): number {
    const records = this.records.slice(this.#head);
    const record = records.find((one) => one.position + one.length > position);
    if (record === undefined) return this.written;
    return record.offset + Math.max(0, position - record.position);
  }

  /** Everything before `offset` will not be asked for again. */
  release(offset: number): void {
    this.acknowledged = Math.max(this.acknowledged, Math.min(offset, this.written));
    while (this.#head < this.records.length) {
      const record = this.records[this.#head] as LogRecord;
      if (record.offset + record.length > this.acknowledged) break;
      blocks.give(record.buffer);
      this.releasedTo = record.position + record.length;
      this.#head += 1;
    }
    if (this.#head > 64 && this.#head * 2 > this.records.length) {
      this.records = this.records.slice(this.#head);
      this.#head = 0;
    } else if (this.#head === this.records.length) {
      this.records = [];
      this.#head = 0;
    }
  }

  /** The record that has the byte at `offset`; undefined at the end. A binary search: readers are few, records many. */
  find(offset: number): LogRecord | undefined {
    let low = this.#head;
    let high = this.records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const record = this.records[middle] as LogRecord;
      if (record.offset + record.length <= offset) low = middle + 1;
      else high = middle;
    }
    return this.records[low];
  }
}

/**
 * What an exec has written, in the order in which it was read: records with positions that count the bytes of
 * both streams. It keeps every byte until that is acknowledged, so that sending again is always possible.
 */
export class ExecLog {
  readonly #streams: Readonly<Record<OutputStream, StreamLog>> = {
    stdout: new StreamLog(),
    stderr: new StreamLog(),
  };
  #end = 0;

  /** The position after the last byte. */
  get end(): number {
    return this.#end;
  }

  get written(): StreamBytes {
    return { stdout: this.#streams.stdout.written, stderr: this.#streams.stderr.written };
  }

  get acknowledged(): StreamBytes {
    return { stdout: this.#streams.stdout.acknowledged, stderr: this.#streams.stderr.acknowledged };
  }

  /** Offsets of the first bytes that are kept. */
  get oldest(): StreamBytes {
    return { stdout: this.#streams.stdout.oldest, stderr: this.#streams.stderr.oldest };
  }

  /**
   * The offsets of a reader that has seen everything before `position`; undefined where it has to see what is not kept
   * any more.
   */
  offsetsAt(position: number): StreamBytes | undefined {
    const { stdout, stderr } = this.#streams;
    if (position < Math.max(stdout.releasedTo, stderr.releasedTo)) return undefined;
    return { stdout: stdout.offsetAt(position), stderr: stderr.offsetAt(position) };
  }

  /** Bytes that are kept because nobody has acknowledged them. */
  unacknowledged(stream: OutputStream): number {
    const log = this.#streams[stream];
    return log.written - log.acknowledged;
  }

  /** Copies `chunk` to the end. `time` in milliseconds since the epoch. */
  append(stream: OutputStream, chunk: Uint8Array, time: number): void {
    const log = this.#streams[stream];
    if (!this.#grow(log, chunk, time)) {
      log.records.push({
        position: this.#end,
        offset: log.written,
        time,
        buffer: keep(chunk),
        length: chunk.length,
      });
    }
    log.written += chunk.length;
    this.#end += chunk.length;
  }

  /** Counts bytes that nobody will read: they move the positions and are not kept. */
  skip(stream: OutputStream, length: number): void {
    const log = this.#streams[stream];
    log.written += length;
    this.#end += length;
    log.release(log.written);
    log.releasedTo = this.#end;
  }

  acknowledge(stream: OutputStream, offset: number): void {
    this.#streams[stream].release(offset);
  }

  /** The first kept bytes of a stream at or after `offset`, at most `limit` of them; undefined where there are none. */
  find(stream: OutputStream, offset: number, limit: number): LogPiece | undefined {
    const record = this.#streams[stream].find(offset);
    if (record === undefined) return undefined;
    const skipped = Math.max(0, offset - record.offset);
    return {
      stream,
      position: record.position + skipped,
      offset: record.offset + skipped,
      time: record.time,
      bytes: record.buffer.subarray(skipped, Math.min(record.length, skipped + limit)),
    };
  }

  /** The next piece of either stream for a reader that has all bytes before these offsets. */
  next(offsets: StreamBytes, limit: number): LogPiece | undefined {
    const stdout = this.find('stdout', offsets.stdout, limit);
    const stderr = this.find('stderr', offsets.stderr, limit);
    if (stdout === undefined || stderr === undefined) return stdout ?? stderr;
    return stdout.position < stderr.position ? stdout : stderr;
  }

  #grow(log: StreamLog, chunk: Uint8Array, time: number): boolean {
    const { last } = log;
    if (last === undefined || last.position + last.length !== this.#end) return false;
    const length = last.length + chunk.length;
    if (length > SMALL || (last.time !== time && log.size < MANY)) return false;
    if (last.buffer.length < length) {
      const larger = Buffer.allocUnsafe(SMALL);
      last.buffer.copy(larger, 0, 0, last.length);
      last.buffer = larger;
    }
    last.buffer.set(chunk, last.length);
    last.length = length;
    return true;
  }
}

function keep(chunk: Uint8Array): Buffer {
  if (chunk.length < LARGE || chunk.length > 64 * 1024) return Buffer.from(chunk);
  const block = blocks.take();
  block.set(chunk);
  return block;
}
