import type { OutputStream, StreamBytes } from '../protocol/events.ts';
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

  get last(): LogRecord | undefined {
    return this.records.length > this.#head ? this.records.at(-1) : undefined;
  }

  get size(): number {
    return this.records.length - this.#head;
  }

  /** Everything before `offset` will not be asked for again. */
  release(offset: number): void {
    this.acknowledged = Math.max(this.acknowledged, Math.min(offset, this.written));
    while (this.#head < this.records.length) {
      const record = this.records[this.#head] as LogRecord;
      if (record.offset + record.length > this.acknowledged) break;
      blocks.give(record.buffer);
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
  }

  acknowledge(stream: OutputStream, offset: number): void {
    this.#streams[stream].release(offset);
  }

  /** The next piece for a reader that has all bytes before these offsets; at most `limit` bytes of it. */
  next(offsets: StreamBytes, limit: number): LogPiece | undefined {
    const stdout = this.#streams.stdout.find(offsets.stdout);
    const stderr = this.#streams.stderr.find(offsets.stderr);
    if (stdout === undefined && stderr === undefined) return undefined;
    const isStdout = stderr === undefined || (stdout !== undefined && stdout.position < stderr.position);
    const stream = isStdout ? 'stdout' : 'stderr';
    const record = (isStdout ? stdout : stderr) as LogRecord;
    const skipped = Math.max(0, offsets[stream] - record.offset);
    return {
      stream,
      position: record.position + skipped,
      offset: record.offset + skipped,
      time: record.time,
      bytes: record.buffer.subarray(skipped, Math.min(record.length, skipped + limit)),
    };
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
