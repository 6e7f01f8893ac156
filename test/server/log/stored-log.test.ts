import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OUTPUT_STREAMS, type StreamBytes } from '../../../src/protocol/events.ts';
import { formatOutputFrame } from '../../../src/protocol/frames.ts';
import { openStoredLog } from '../../../src/server/log/stored-log.ts';
import { reopenStoredLog } from '../../../src/server/log/stored-output.ts';
import {
  batchesOf,
  bytesOf,
  countDescriptors,
  piecesOf,
  readAll,
  readStream,
  sizeOf,
  toText,
  writes,
} from '../../support/stored-pieces.ts';

const KIB = 1024;
const FROM_START: StreamBytes = { stdout: 0, stderr: 0 };

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sbx-test-log-'));
});
afterEach(() => {
  expect(countDescriptors(parent)).toBe(0);
  rmSync(parent, { recursive: true });
});

const makePath = (): string => join(mkdtempSync(join(parent, 'exec-')), 'log');

const chunks = fc.integer({ min: 1, max: 20 });

describe('a log on disk', () => {
  it('gives every byte back with its position and time, in any batches and any limit', async () => {
    await fc.assert(
      fc.asyncProperty(writes, chunks, fc.integer({ min: 1000, max: 70_000 }), async (all, size, limit) => {
        const pieces = piecesOf(all);
        const log = openStoredLog(makePath(), { capBytes: 64 * KIB * KIB });
        for (const batch of batchesOf(pieces, size)) await log.append(batch);
        const read = await readAll(log, FROM_START, limit);
        let position = 0;
        for (const piece of read) {
          expect(piece.position).toBe(position);
          position += piece.bytes.length;
          const written = pieces.findLast((one) => one.position <= piece.position);
          expect([piece.stream, piece.time]).toEqual([written?.stream, written?.time]);
        }
        for (const stream of OUTPUT_STREAMS) {
          expect(bytesOf(read, stream).equals(bytesOf(pieces, stream))).toBe(true);
          expect(log.stored[stream]).toBe(bytesOf(pieces, stream).length);
        }
        expect(log.oldest).toEqual(FROM_START);
        await log.close();
      }),
      { numRuns: 40 },
    );
  });

  it('has files of frames as a channel carries them, private and named by where they begin', async () => {
    const directory = makePath();
    const log = openStoredLog(directory, { capBytes: 64 * KIB });
    const pieces = piecesOf([
      { stream: 'stderr', length: 5, time: 7 },
      { stream: 'stdout', length: 40_000, time: 8 },
      { stream: 'stdout', length: 4, time: 9 },
    ]);
    await log.append(pieces);
    await log.close();
    const frames = pieces.map((piece) =>
      formatOutputFrame({ ...piece, type: piece.stream, position: piece.position + piece.bytes.length }),
    );
    const names = [
      'stderr-0000000000000000-0000000000000000.frames',
      'stdout-0000000000000000-0000000000000005.frames',
    ];
    expect(readdirSync(directory).sort()).toEqual(names);
    expect(readFileSync(join(directory, names[0]!)).equals(frames[0]!)).toBe(true);
    expect(readFileSync(join(directory, names[1]!)).equals(Buffer.concat(frames.slice(1)))).toBe(true);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of names) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it('reads from any offset, forwards and backwards, as one reader', async () => {
    const log = openStoredLog(makePath(), { capBytes: 16 * KIB * KIB });
    const pieces = piecesOf(
      Array.from({ length: 300 }, (_, index) => ({
        stream: 'stdout' as const,
        length: 1 + ((index * 7919) % 9000),
        time: index,
      })),
    );
    await log.append(pieces);
    const whole = bytesOf(pieces, 'stdout');
    const reader = log.openReader();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length + 10),
        fc.integer({ min: 1, max: 9000 }),
        async (offset, limit) => {
          const piece = await reader.read('stdout', offset, limit);
          if (offset >= whole.length) expect(piece).toBeUndefined();
          else {
            expect(piece?.offset).toBe(offset);
            expect(piece?.position).toBe(offset);
            expect(piece?.bytes.length).toBeLessThanOrEqual(limit);
            expect(piece?.bytes.equals(whole.subarray(offset, offset + piece.bytes.length))).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
    await reader.close();
    await log.close();
  });

  it('drops the oldest and keeps its cap; a read of what is gone gives the first that is kept', async () => {
    await fc.assert(
      fc.asyncProperty(writes, chunks, async (all, size) => {
        const directory = makePath();
        const capBytes = 256 * KIB;
        const log = openStoredLog(directory, { capBytes });
        const pieces = piecesOf(all);
        for (const batch of batchesOf(pieces, size)) {
          await log.append(batch);
          expect(sizeOf(directory)).toBeLessThanOrEqual(capBytes);
        }
        const last = pieces.at(-1);
        const read = await readAll(log);
        for (const stream of OUTPUT_STREAMS) {
          const whole = bytesOf(pieces, stream);
          expect(log.stored[stream]).toBe(whole.length);
          const mine = read.filter((piece) => piece.stream === stream);
          expect(mine[0]?.offset ?? whole.length).toBe(log.oldest[stream]);
          expect(bytesOf(mine, stream).equals(whole.subarray(log.oldest[stream]))).toBe(true);
        }
        expect(read.at(-1)?.bytes.at(-1)).toBe(last?.bytes.at(-1));
        await log.close();
      }),
      { numRuns: 40 },
    );
  });

  it('keeps nearly as much as its cap allows', async () => {
    const directory = makePath();
    const capBytes = 2 * KIB * KIB;
    const log = openStoredLog(directory, { capBytes });
    const all = Array.from({ length: 100 }, () => ({ stream: 'stdout' as const, length: 64 * KIB, time: 1 }));
    for (const batch of batchesOf(piecesOf(all), 7)) await log.append(batch);
    expect(sizeOf(directory)).toBeGreaterThan((capBytes * 14) / 16);
    await log.close();
  });

  it('drops a stream that has become quiet, and holds no file of it', async () => {
    const log = openStoredLog(makePath(), { capBytes: 1024 * KIB });
    const flood = Array.from({ length: 40 }, () => ({
      stream: 'stdout' as const,
      length: 60 * KIB,
      time: 2,
    }));
    const line = { stream: 'stderr' as const, length: 10, time: 1 };
    await log.append(piecesOf([line, ...flood]));
    expect(log.stored.stderr).toBe(10);
    expect(log.oldest.stderr).toBe(10);
    expect(countDescriptors(parent)).toBe(1);
    const reader = log.openReader();
    expect(await reader.read('stderr', 0, 100)).toBeUndefined();
    expect(reader.take('stderr', 0, 100)).toBeUndefined();
    await log.append(piecesOf([line], { position: 40 * 60 * KIB + 10, stdout: 40 * 60 * KIB, stderr: 10 }));
    expect(await reader.read('stderr', 0, 100)).toMatchObject({ offset: 10 });
    await reader.close();
    await log.close();
  });

  it('keeps few bytes that are new beside many', async () => {
    const log = openStoredLog(makePath(), { capBytes: 1024 * KIB });
    const turn = [
      { stream: 'stderr' as const, length: 10, time: 1 },
      { stream: 'stdout' as const, length: 60 * KIB, time: 2 },
    ];
    for (const batch of batchesOf(piecesOf(Array.from({ length: 60 }, () => turn).flat()), 1)) {
      await log.append(batch);
      const { oldest, stored } = log;
      expect(oldest.stderr).toBeLessThanOrEqual(Math.max(0, stored.stderr - 12 * 10));
    }
    await log.close();
  });

  it('is read while it is written and dropped: bytes are right, gaps are only where offsets say so', async () => {
    const log = openStoredLog(makePath(), { capBytes: 300 * KIB });
    const pieces = piecesOf(
      Array.from({ length: 600 }, (_, index) => ({
        stream: index % 3 === 0 ? ('stderr' as const) : ('stdout' as const),
        length: 1 + ((index * 7919) % 20_000),
        time: index,
      })),
    );
    const whole = { stdout: bytesOf(pieces, 'stdout'), stderr: bytesOf(pieces, 'stderr') };
    let isWritten = false;
    const read = async (pause: number): Promise<StreamBytes> => {
      const reader = log.openReader();
      const sent = { stdout: 0, stderr: 0 };
      for (let turn = 0; ; turn += 1) {
        const wasWritten = isWritten;
        const piece = await reader.readNext(sent, 5000);
        if (piece === undefined && wasWritten) break;
        if (piece !== undefined) {
          const { stream, offset, bytes } = piece;
          expect(offset).toBeGreaterThanOrEqual(sent[stream]);
          expect(bytes.equals(whole[stream].subarray(offset, offset + bytes.length))).toBe(true);
          sent[stream] = offset + bytes.length;
        }
        if (turn % pause === 0) await new Promise(setImmediate);
      }
      await reader.close();
      return sent;
    };
    const readers = [read(1), read(1), read(50)];
    for (const batch of batchesOf(pieces, 4)) await log.append(batch);
    isWritten = true;
    expect(await Promise.all(readers)).toEqual(readers.map(() => log.stored));
    await log.close();
  });

  it('goes on in a segment that is deleted while it is read', async () => {
    const log = openStoredLog(makePath(), { capBytes: 2048 * KIB });
    const one = { stream: 'stdout' as const, length: 60 * KIB, time: 1 };
    const pieces = piecesOf(Array.from({ length: 100 }, () => one));
    await log.append(pieces.slice(0, 20));
    const reader = log.openReader();
    const first = await reader.read('stdout', 0, 1000);
    expect(first?.offset).toBe(0);
    await log.append(pieces.slice(20));
    expect(log.oldest.stdout).toBeGreaterThan(120 * KIB);
    const offsets: number[] = [];
    for (let at = 1000; at < log.stored.stdout;) {
      const piece = await reader.read('stdout', at, 64 * KIB);
      if (piece === undefined) break;
      if (piece.offset > at) offsets.push(at, piece.offset);
      at = piece.offset + piece.bytes.length;
    }
    expect(offsets).toEqual([120 * KIB, log.oldest.stdout]);
    await reader.close();
    await log.close();
  });

  it('answers out of its buffer at once, and says where it has to read', async () => {
    const log = openStoredLog(makePath(), { capBytes: 1024 * KIB });
    const pieces = piecesOf(
      Array.from({ length: 9 }, () => ({ stream: 'stdout' as const, length: 3, time: 1 })),
    );
    await log.append(pieces);
    const reader = log.openReader();
    expect(reader.take('stdout', 0, 10)).toBe('unread');
    expect((await reader.read('stdout', 0, 10))?.offset).toBe(0);
    for (const { offset, position } of pieces) {
      expect(reader.take('stdout', offset, 2)).toMatchObject({ offset, position });
    }
    expect(reader.take('stdout', 27, 10)).toBeUndefined();
    expect(reader.take('stderr', 0, 10)).toBeUndefined();
    await log.append(
      piecesOf([{ stream: 'stdout', length: 3, time: 1 }], { position: 27, stdout: 27, stderr: 0 }),
    );
    expect(reader.take('stdout', 27, 10)).toBe('unread');
    expect((await reader.read('stdout', 27, 10))?.bytes.length).toBe(3);
    await reader.close();
    expect(await reader.read('stdout', 0, 10)).toBeUndefined();
    await log.close();
  });

  it('leaves no descriptor where a reader is closed in the middle of a read', async () => {
    const log = openStoredLog(makePath(), { capBytes: 1024 * KIB });
    await log.append(piecesOf([{ stream: 'stdout', length: 5, time: 1 }]));
    for (let turn = 0; turn < 20; turn += 1) {
      const reader = log.openReader();
      const reading = reader.read('stdout', 0, 10);
      if (turn % 2 === 0) await new Promise(setImmediate);
      await reader.close();
      await reading;
      expect(countDescriptors(parent)).toBe(1);
    }
    await log.close();
  });
});

describe('a log that is opened again', () => {
  it('has what was written, also after its oldest were dropped', async () => {
    await fc.assert(
      fc.asyncProperty(writes, fc.boolean(), async (all, isSmall) => {
        const directory = makePath();
        const log = openStoredLog(directory, { capBytes: (isSmall ? 200 : 20_000) * KIB });
        await log.append(piecesOf(all));
        await log.close();
        const again = reopenStoredLog(directory)!;
        expect(again.stored).toEqual(log.stored);
        expect(again.oldest).toEqual(log.oldest);
        expect(toText(await readAll(again))).toEqual(toText(await readAll(log)));
        const { stdout, stderr } = log.stored;
        expect(await again.offsetsAt(stdout + stderr)).toEqual(log.stored);
      }),
      { numRuns: 40 },
    );
  });

  it('is none where there is no directory, and empty where nothing was written', async () => {
    const directory = makePath();
    expect(reopenStoredLog(directory)).toBeUndefined();
    await openStoredLog(directory, { capBytes: KIB }).close();
    const log = reopenStoredLog(directory)!;
    expect(log.stored).toEqual(FROM_START);
    expect(await log.offsetsAt(0)).toEqual(FROM_START);
    expect(await readAll(log)).toEqual([]);
  });

  it('leaves out a last frame that is torn, wherever', async () => {
    const written = [
      { stream: 'stdout' as const, length: 300, time: 1 },
      { stream: 'stderr' as const, length: 20, time: 1 },
      { stream: 'stdout' as const, length: 40, time: 2 },
    ];
    const pieces = piecesOf(written);
    const directory = makePath();
    const log = openStoredLog(directory, { capBytes: 64 * KIB });
    await log.append(pieces);
    await log.close();
    const path = join(
      directory,
      readdirSync(directory).find((name) => name.startsWith('stdout'))!,
    );
    const whole = readFileSync(path);
    for (let length = 0; length <= whole.length; length += 1) {
      writeFileSync(path, whole.subarray(0, length));
      const again = reopenStoredLog(directory)!;
      const frames = length === whole.length ? 2 : length >= 323 ? 1 : 0;
      const expected = pieces.filter(({ stream }, index) => stream === 'stderr' || index < frames * 2 - 1);
      expect(toText(await readAll(again))).toEqual(toText(expected));
      // Without a whole frame of stdout, the one of stderr says that 300 bytes came before it.
      expect(again.stored.stdout).toBe(frames === 2 ? 340 : 300);
      expect(again.stored.stderr).toBe(20);
    }
  });

  it('passes over what is torn at the end of a segment that is not the last', async () => {
    const directory = makePath();
    const log = openStoredLog(directory, { capBytes: 1024 * KIB });
    const one = { stream: 'stdout' as const, length: 30 * KIB, time: 1 };
    const pieces = piecesOf(Array.from({ length: 6 }, () => one));
    await log.append(pieces);
    await log.close();
    const path = join(directory, readdirSync(directory).sort()[0]!);
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    const again = reopenStoredLog(directory)!;
    expect(toText(await readAll(again))).toEqual(toText(pieces.filter((_, index) => index !== 1)));
    expect(bytesOf(await readStream(again, 'stdout', 40 * KIB), 'stdout').length).toBe(120 * KIB);
  });
});
