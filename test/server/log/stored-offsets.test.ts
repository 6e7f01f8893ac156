import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OUTPUT_STREAMS, type OutputStream, type StreamBytes } from '../../../src/protocol/events.ts';
import type { LogPiece } from '../../../src/server/log/exec-log.ts';
import { openStoredLog } from '../../../src/server/log/stored-log.ts';
import { countDescriptors, piecesOf, writes } from '../../support/stored-pieces.ts';

const KIB = 1024;

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sbx-test-log-'));
});
afterEach(() => {
  expect(countDescriptors(parent)).toBe(0);
  rmSync(parent, { recursive: true });
});

const makePath = (): string => join(mkdtempSync(join(parent, 'exec-')), 'log');

describe('the offsets at a position', () => {
  it('are those of who has all bytes before it, or none where bytes are missing', async () => {
    const small = fc.array(
      fc.record({
        stream: fc.constantFrom<OutputStream>('stdout', 'stderr'),
        length: fc.integer({ min: 1, max: 9 }),
        time: fc.constant(1),
        isLost: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
      }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(small, async (all) => {
        const log = openStoredLog(makePath(), { capBytes: 64 * KIB });
        const pieces = piecesOf(all);
        const stored = pieces.filter((_, index) => !all[index]!.isLost);
        await log.append(stored);
        const end = stored.at(-1);
        const last = end === undefined ? 0 : end.position + end.bytes.length;
        for (let position = -1; position <= last + 2; position += 1) {
          const isThere = position === last || stored.some((piece) => includes(piece, position));
          expect(await log.offsetsAt(position)).toEqual(
            isThere ? model(pieces, position, log.oldest) : undefined,
          );
        }
        await log.close();
      }),
      { numRuns: 60 },
    );
  });

  it('are not known where one of the streams has lost what comes next', async () => {
    await fc.assert(
      fc.asyncProperty(writes, async (all) => {
        const log = openStoredLog(makePath(), { capBytes: 200 * KIB });
        const pieces = piecesOf(all);
        await log.append(pieces);
        const last = pieces.at(-1);
        const end = last === undefined ? 0 : last.position + last.bytes.length;
        const places = pieces.flatMap(({ position, bytes }) => [position, position + (bytes.length >> 1)]);
        for (const position of [...places, end, end + 1]) {
          const expected = position > end ? undefined : model(pieces, position, log.oldest);
          expect(await log.offsetsAt(position)).toEqual(expected);
        }
        await log.close();
      }),
      { numRuns: 30 },
    );
  });
});

const includes = ({ position, bytes }: LogPiece, at: number): boolean =>
  at >= position && at < position + bytes.length;

/** Counted from all that was written; undefined where that is older than what is kept. */
function model(pieces: LogPiece[], position: number, oldest: StreamBytes): StreamBytes | undefined {
  const offsets = { stdout: 0, stderr: 0 };
  for (const piece of pieces) {
    offsets[piece.stream] += Math.max(0, Math.min(piece.bytes.length, position - piece.position));
  }
  return OUTPUT_STREAMS.every((stream) => offsets[stream] >= oldest[stream]) ? offsets : undefined;
}
