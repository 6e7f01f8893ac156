import { readdirSync, statSync } from 'node:fs';
import { OUTPUT_STREAMS, type OutputStream, type StreamBytes } from '../../protocol/events.ts';
import type { OutputHead } from '../../protocol/frames.ts';
import { isMissing, toStoredError } from './stored-error.ts';
import { StoredIndex, toPlace } from './stored-index.ts';
import { StoredLogReader } from './stored-log-reader.ts';
import { findHeadBehind, findLastHead } from './stored-scan.ts';
import { parseSegmentName, type Segment } from './stored-segment.ts';

/** An exec's output on disk, to be read. It holds no descriptor; its readers do. */
export class StoredOutput {
  protected readonly index: StoredIndex;

  constructor(index: StoredIndex) {
    this.index = index;
  }

  /** Absolute offset after the last byte of each stream that was stored. */
  get stored(): StreamBytes {
    return this.index.stored;
  }

  /** The first offset of each stream that can still be read; where nothing is kept, that after the last byte. */
  get oldest(): StreamBytes {
    return this.index.oldest;
  }

  /**
   * The offsets in both streams of who has all bytes before `position`. Undefined beyond the end, where the byte at
   * `position` was never stored, and where that or one behind it was dropped: who goes on there would miss bytes.
   * @throws SbxError `state_dir_unusable`
   */
  async offsetsAt(position: number): Promise<StreamBytes | undefined> {
    const { end } = this.index;
    const offsets = position === end.position ? end.offsets : await this.#findOffsets(position);
    const { oldest } = this;
    return offsets !== undefined && OUTPUT_STREAMS.every((stream) => offsets[stream] >= oldest[stream])
      ? offsets
      : undefined;
  }

  /** A reader that has to be closed. Any number of them read at once, also what is still written. */
  openReader(): StoredLogReader {
    return new StoredLogReader(this.index);
  }

  async #findOffsets(position: number): Promise<StreamBytes | undefined> {
    for (const stream of OUTPUT_STREAMS) {
      const segment = this.index.streams[stream].floor('position', position);
      const head = segment === undefined ? undefined : await findHead(segment, position);
      const into = head === undefined ? -1 : position - (head.position - head.length);
      if (head !== undefined && into >= 0) return toPlace(head, into).offsets;
    }
    return undefined;
  }
}

async function findHead(segment: Segment, position: number): Promise<OutputHead | undefined> {
  try {
    return await findHeadBehind(segment, position);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw toStoredError(segment.path, cause);
  }
}

/**
 * Opens the log that an earlier server wrote; undefined where there is none. What was torn at the end of it when that
 * server was killed is left out.
 * @throws SbxError `state_dir_unusable`
 */
export function reopenStoredLog(directory: string): StoredOutput | undefined {
  try {
    const segments = listSegments(directory);
    return segments === undefined ? undefined : new StoredOutput(toIndex(segments));
  } catch (cause) {
    throw toStoredError(directory, cause);
  }
}

/** The segments in a directory in the order of their names, with the sizes of their files; undefined without one. */
export function listSegments(directory: string): Segment[] | undefined {
  let names;
  try {
    names = readdirSync(directory);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw cause;
  }
  const segments = names.map((name) => parseSegmentName(directory, name));
  return segments
    .filter((segment) => segment !== undefined)
    .flatMap((segment) => {
      // One that was deleted since its name was read.
      const size = statSync(segment.path, { throwIfNoEntry: false })?.size;
      return size === undefined ? [] : [{ ...segment, size }];
    })
    .sort((a, b) => a.offset - b.offset);
}

function toIndex(segments: readonly Segment[]): StoredIndex {
  const index = new StoredIndex();
  for (const stream of OUTPUT_STREAMS) addStream(index, segments, stream);
  // Of a stream whose segments were all dropped, the other one's last frame says how far it had come.
  for (const stream of OUTPUT_STREAMS) {
    const list = index.streams[stream];
    if (list.first === undefined) list.stored = index.end.offsets[stream];
  }
  return index;
}

/** Adds what a stream has, up to the last whole frame of its last segment that has one. */
function addStream(index: StoredIndex, all: readonly Segment[], stream: OutputStream): void {
  const segments = all.filter((segment) => segment.stream === stream);
  for (let segment = segments.pop(); segment !== undefined; segment = segments.pop()) {
    const { last, whole } = findLastHead(segment.path, segment.size);
    if (last === undefined) continue;
    for (const before of segments) index.add(before);
    index.grow({ ...segment, size: 0 }, whole, last);
    return;
  }
}
