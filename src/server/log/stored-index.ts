import { OUTPUT_STREAMS, type OutputStream, type StreamBytes } from '../../protocol/events.ts';
import type { OutputHead } from '../../protocol/frames.ts';
import type { Segment } from './stored-segment.ts';

/** The segments of one stream that are kept, oldest first. */
export class SegmentList {
  readonly #segments: Segment[] = [];
  /** Absolute offset after the last byte that was stored. */
  stored = 0;

  get first(): Segment | undefined {
    return this.#segments[0];
  }

  get last(): Segment | undefined {
    return this.#segments.at(-1);
  }

  /** The first offset that can still be read. */
  get oldest(): number {
    return this.first?.offset ?? this.stored;
  }

  add(segment: Segment): void {
    this.#segments.push(segment);
  }

  /** False where it was not there any more. */
  remove(segment: Segment): boolean {
    const index = this.#segments.indexOf(segment);
    if (index >= 0) this.#segments.splice(index, 1);
    return index >= 0;
  }

  /** The last segment that begins at or before `value`. */
  floor(by: 'offset' | 'position', value: number): Segment | undefined {
    return this.#segments.findLast((segment) => segment[by] <= value);
  }

  after(segment: Segment): Segment | undefined {
    return this.#segments.find(({ offset }) => offset > segment.offset);
  }
}

/** A place in the output of an exec: the position, and the offsets of who has all bytes before it. */
export interface Place {
  readonly position: number;
  readonly offsets: StreamBytes;
}

/**
 * The place `into` bytes after the beginning of a frame. The frame knows the offset in its own stream; and because
 * a position counts the bytes of both streams, what remains of it is the offset in the other.
 */
export function toPlace({ type, position, offset, length }: OutputHead, into: number): Place {
  const at = position - length + into;
  const own = offset + into;
  const other = at - own;
  return {
    position: at,
    offsets: type === 'stdout' ? { stdout: own, stderr: other } : { stdout: other, stderr: own },
  };
}

/** Which segments of a log are kept, and how far each is written. */
export class StoredIndex {
  readonly streams: Readonly<Record<OutputStream, SegmentList>> = {
    stdout: new SegmentList(),
    stderr: new SegmentList(),
  };
  /** Behind the last byte that was stored. */
  end: Place = { position: 0, offsets: { stdout: 0, stderr: 0 } };
  /** Bytes of all files. */
  size = 0;

  get stored(): StreamBytes {
    return { stdout: this.streams.stdout.stored, stderr: this.streams.stderr.stored };
  }

  get oldest(): StreamBytes {
    return { stdout: this.streams.stdout.oldest, stderr: this.streams.stderr.oldest };
  }

  /** A segment that is written already. Those of a stream come in their order. */
  add(segment: Segment): void {
    this.streams[segment.stream].add(segment);
    this.size += segment.size;
  }

  /** `bytes` more of a segment, which is new where it had none, can be read now; `last` is their last frame. */
  grow(segment: Segment, bytes: number, last: OutputHead): void {
    const list = this.streams[segment.stream];
    if (segment.size === 0) list.add(segment);
    segment.size += bytes;
    this.size += bytes;
    list.stored = last.offset + last.length;
    if (last.position > this.end.position) this.end = toPlace(last, last.length);
  }

  /** From now on nobody finds it. */
  remove(segment: Segment): void {
    if (this.streams[segment.stream].remove(segment)) this.size -= segment.size;
  }

  /** The segment with the oldest byte, but for those in `kept`. */
  findOldest(kept: readonly Segment[]): Segment | undefined {
    const firsts = OUTPUT_STREAMS.map((stream) => this.streams[stream].first);
    return firsts
      .filter((segment) => segment !== undefined && !kept.includes(segment))
      .reduce((oldest, segment) => (isOlder(segment, oldest) ? segment : oldest), undefined);
  }
}

function isOlder(segment: Segment | undefined, other: Segment | undefined): boolean {
  return segment !== undefined && (other === undefined || segment.position < other.position);
}
