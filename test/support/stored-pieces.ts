import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { OutputStream, StreamBytes } from '../../src/protocol/events.ts';
import type { LogPiece } from '../../src/server/log/exec-log.ts';
import type { StoredOutput } from '../../src/server/log/stored-output.ts';

/** A write of an exec. */
export interface Write {
  readonly stream: OutputStream;
  readonly length: number;
  readonly time: number;
}

/** Writes of any size, small ones most often. */
export const writes = fc.array(
  fc.record({
    stream: fc.constantFrom<OutputStream>('stdout', 'stderr'),
    length: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 3000, max: 64 * 1024 })),
    time: fc.integer({ min: 0, max: 2 ** 41 }),
  }),
  { maxLength: 60 },
);
/** Bytes that say where they are: no two places of 256 KiB look the same. */
function someBytes(position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index += 1) {
    const at = position + index;
    bytes[index] = (at ^ (at >> 8) ^ (at >> 16)) & 0xff;
  }
  return bytes;
}

/** The pieces that these writes give, one after the other. */
export function piecesOf(writes: readonly Write[], from = { position: 0, stdout: 0, stderr: 0 }): LogPiece[] {
  const at = { ...from };
  return writes.map(({ stream, length, time }) => {
    const bytes = someBytes(at.position, length);
    const piece = { stream, position: at.position, offset: at[stream], time, bytes };
    at.position += length;
    at[stream] += length;
    return piece;
  });
}

export function batchesOf(pieces: readonly LogPiece[], size: number): LogPiece[][] {
  return Array.from({ length: Math.ceil(pieces.length / size) }, (_, index) =>
    pieces.slice(index * size, (index + 1) * size),
  );
}

export function bytesOf(pieces: readonly LogPiece[], stream: OutputStream): Buffer {
  return Buffer.concat(pieces.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes));
}

/** The same, quick to compare and short to show. */
export function toText(pieces: readonly LogPiece[]): string[] {
  return pieces.map(({ stream, position, offset, time, bytes }) => {
    const sum = createHash('sha1').update(bytes).digest('hex');
    return `${stream} ${offset}+${bytes.length} at ${position}, ${time}: ${sum}`;
  });
}

/** All that a reader with these offsets gets, in the order of positions. */
export async function readAll(
  log: StoredOutput,
  from: StreamBytes = { stdout: 0, stderr: 0 },
  limit = 64 * 1024,
): Promise<LogPiece[]> {
  const reader = log.openReader();
  const sent = { ...from };
  const pieces: LogPiece[] = [];
  for (;;) {
    const taken = reader.takeNext(sent, limit);
    const piece = taken === 'unread' ? await reader.readNext(sent, limit) : taken;
    if (piece === undefined) break;
    pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) });
    sent[piece.stream] = piece.offset + piece.bytes.length;
  }
  await reader.close();
  return pieces;
}

/** All that a reader of one stream gets from an offset on. */
export async function readStream(
  log: StoredOutput,
  stream: OutputStream,
  offset: number,
): Promise<LogPiece[]> {
  const reader = log.openReader();
  const pieces: LogPiece[] = [];
  let at = offset;
  for (let piece = await reader.read(stream, at, 64 * 1024); piece !== undefined;) {
    pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) });
    at = piece.offset + piece.bytes.length;
    piece = await reader.read(stream, at, 64 * 1024);
  }
  await reader.close();
  return pieces;
}

/** Files under a directory, deleted ones too, that this process has open. */
export function countDescriptors(directory: string): number {
  const paths = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ''; // that of the listing itself
    }
  });
  return paths.filter((path) => path.startsWith(directory)).length;
}

/** Bytes of the files in a directory. */
export const sizeOf = (directory: string): number =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
