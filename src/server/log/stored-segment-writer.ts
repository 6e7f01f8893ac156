import { open, unlink, type FileHandle } from 'node:fs/promises';
import { OUTPUT_HEAD_BYTES, writeOutputHead } from '../../protocol/frames.ts';
import type { LogPiece } from './exec-log.ts';
import { isMissing, toStoredError } from './stored-error.ts';
import type { Segment } from './stored-segment.ts';

/** Below this, copying costs less than a place of its own in the list of writev(2). */
const COPIED = 4096;

/** The file to which one stream of a log is written. */
export class SegmentWriter {
  #file: FileHandle | undefined;
  #segment: Segment | undefined;

  /** The segment that is open; none at the beginning, and after a failure that cannot be undone. */
  get segment(): Segment | undefined {
    return this.#segment;
  }

  /**
   * Writes frames after the whole ones of a segment. Where that fails, no part of them stays, or the segment is left
   * as it is and not written to again.
   * @throws SbxError `disk_full`, `state_dir_unusable`
   */
  async write(segment: Segment, pieces: readonly LogPiece[]): Promise<void> {
    try {
      const file = await this.#open(segment);
      await writeAll(file, toFrames(pieces), segment.size);
    } catch (cause) {
      await this.#undo(segment);
      throw toStoredError(segment.path, cause);
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#segment = undefined;
    await file?.close();
  }

  async #open(segment: Segment): Promise<FileHandle> {
    if (this.#file !== undefined && this.#segment === segment) return this.#file;
    await this.close();
    this.#file = await open(segment.path, 'w', 0o600);
    this.#segment = segment;
    return this.#file;
  }

  /** The reason of the first failure is the one to be told; one in here says nothing more. */
  async #undo(segment: Segment): Promise<void> {
    try {
      if (segment.size > 0 && this.#segment === segment) {
        await this.#file?.truncate(segment.size);
        return;
      }
    } catch {
      // What is behind the whole frames is never looked at; the next bytes go into another file.
    }
    await this.close().catch(() => undefined);
    if (segment.size === 0) await unlink(segment.path).catch(() => undefined);
  }
}

/** Deletes the file of a segment, if it is still there. @throws SbxError `state_dir_unusable` */
export async function deleteSegment({ path }: Segment): Promise<void> {
  try {
    await unlink(path);
  } catch (cause) {
    if (!isMissing(cause)) throw toStoredError(path, cause);
  }
}

/** A write takes less than all where the disk becomes full in the middle; the next one says so. */
async function writeAll(file: FileHandle, buffers: Buffer[], position: number): Promise<void> {
  let rest = buffers;
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, at);
    at += bytesWritten;
    rest = dropBytes(rest, bytesWritten);
  }
}

function dropBytes(buffers: Buffer[], count: number): Buffer[] {
  let left = count;
  for (const [index, buffer] of buffers.entries()) {
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(index + 1)];
    left -= buffer.length;
  }
  return [];
}

/** The frames of pieces, as a list for writev(2) that leaves large bytes where they are. */
function toFrames(pieces: readonly LogPiece[]): Buffer[] {
  const copied = pieces.reduce((sum, { bytes }) => sum + (bytes.length < COPIED ? bytes.length : 0), 0);
  const scratch = Buffer.allocUnsafe(copied + pieces.length * OUTPUT_HEAD_BYTES);
  const buffers: Buffer[] = [];
  let from = 0;
  let to = 0;
  for (const { stream, position, offset, time, bytes } of pieces) {
    const { length } = bytes;
    writeOutputHead(scratch, to, { type: stream, position: position + length, offset, time, length });
    to += OUTPUT_HEAD_BYTES;
    if (length < COPIED) {
      scratch.set(bytes, to);
      to += length;
    } else {
      buffers.push(scratch.subarray(from, to), bytes);
      from = to;
    }
  }
  if (to > from) buffers.push(scratch.subarray(from, to));
  return buffers;
}
