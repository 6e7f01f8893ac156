import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OUTPUT_STREAMS, type OutputStream } from '../../protocol/events.ts';
import { SbxError } from '../../protocol/errors.ts';
import { preparePrivateDirectory } from '../../state/private-directory.ts';
import type { LogPiece } from './exec-log.ts';
import { toStoredError } from './stored-error.ts';
import { StoredIndex } from './stored-index.ts';
import { listSegments, StoredOutput } from './stored-output.ts';
import { planParts, type Part, type PlanOptions } from './stored-plan.ts';
import { createSegment, type Segment } from './stored-segment.ts';
import { deleteSegment, SegmentWriter } from './stored-segment-writer.ts';

export interface StoredLogOptions {
  /**
   * Bytes of the files of both streams together, heads of frames (23 bytes each) included. They are never more than
   * this, or than 129 KiB where that is more; when the oldest were deleted they are at most a sixteenth of this, or
   * 64 KiB, less. A deleted file that a reader has open takes its place on the disk until the reader goes on.
   */
  readonly capBytes: number;
}

/** Segments in a log that is full. */
const SEGMENTS = 16;
const SMALLEST = 64 * 1024;
const LARGEST = 4 * 1024 * 1024;

/**
 * Begins a log in a directory, which is made where it is not there.
 * @throws SbxError `disk_full`, `state_dir_unusable`
 */
export function openStoredLog(directory: string, options: StoredLogOptions): StoredLog {
  prepareDirectory(directory);
  return new StoredLog(directory, options);
}

function prepareDirectory(directory: string): void {
  try {
    preparePrivateDirectory(directory, process.geteuid?.() ?? 0);
    if (listSegments(directory)?.length === 0) {
      requireRoom(directory);
      return;
    }
  } catch (error) {
    const { cause = error } = error as Error;
    throw toStoredError(directory, cause);
  }
  throw new SbxError('state_dir_unusable', `Cannot begin a log in ${directory}: it has one already`);
}

/** A directory can be made on a disk that is full: whether anything can be kept is known when something was. */
function requireRoom(directory: string): void {
  const path = join(directory, 'room');
  try {
    writeFileSync(path, 'x', { mode: 0o600 });
    rmSync(path);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

/**
 * An exec's output on disk while it is written: frames in files ("segments"), of which the oldest are deleted so that
 * a cap is kept.
 */
export class StoredLog extends StoredOutput {
  readonly #capBytes: number;
  readonly #plan: PlanOptions;
  readonly #writers: Readonly<Record<OutputStream, SegmentWriter>> = {
    stdout: new SegmentWriter(),
    stderr: new SegmentWriter(),
  };
  #appending: Promise<void> | undefined;

  constructor(directory: string, { capBytes }: StoredLogOptions) {
    super(new StoredIndex());
    this.#capBytes = capBytes;
    this.#plan = {
      segmentBytes: Math.min(LARGEST, Math.max(SMALLEST, Math.floor(capBytes / SEGMENTS))),
      current: (stream) => this.#writers[stream].segment,
      create: (piece) => createSegment(directory, piece),
    };
  }

  /**
   * Writes pieces, which are in the order of their positions, have at most `MAX_FRAME_BYTES` each and must not change
   * until it is done. One call at a time. When it resolves the kernel has them, the disk perhaps not yet.
   *
   * Where it fails a part of them may be stored; the others are a gap. The next call may do better.
   * @throws SbxError `disk_full`, `state_dir_unusable`
   */
  async append(pieces: readonly LogPiece[]): Promise<void> {
    this.#appending = this.#append(pieces);
    await this.#appending;
  }

  /** Closes its files, after what is under way. What is stored can still be read. */
  async close(): Promise<void> {
    await this.#appending?.catch(() => undefined);
    await Promise.all(OUTPUT_STREAMS.map((stream) => this.#writers[stream].close()));
  }

  async #append(pieces: readonly LogPiece[]): Promise<void> {
    for (let from = 0; from < pieces.length;) {
      const { parts, next } = planParts(pieces, from, this.#plan);
      await this.#makeRoom(parts);
      await this.#write(parts);
      from = next;
    }
  }

  async #makeRoom(parts: readonly Part[]): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    const kept = parts.map(({ segment }) => segment);
    while (this.index.size + bytes > this.#capBytes) {
      const oldest = this.index.findOldest(kept);
      if (oldest === undefined) return;
      await this.#drop(oldest);
    }
  }

  async #drop(segment: Segment): Promise<void> {
    this.index.remove(segment);
    const writer = this.#writers[segment.stream];
    if (writer.segment === segment) await writer.close();
    await deleteSegment(segment);
  }

  /** Readers see the parts together, so that they have the order of positions. */
  async #write(parts: readonly Part[]): Promise<void> {
    const writes = parts.map(({ segment, pieces }) => this.#writers[segment.stream].write(segment, pieces));
    const results = await Promise.allSettled(writes);
    for (const [index, { segment, pieces, bytes }] of parts.entries()) {
      const last = pieces.at(-1);
      if (results[index]?.status !== 'fulfilled' || last === undefined) continue;
      const { length } = last.bytes;
      this.index.grow(segment, bytes, {
        ...last,
        type: last.stream,
        position: last.position + length,
        length,
      });
    }
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
