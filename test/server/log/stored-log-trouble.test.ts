import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SbxError } from '../../../src/protocol/errors.ts';
import { openStoredLog, type StoredLog } from '../../../src/server/log/stored-log.ts';
import { reopenStoredLog } from '../../../src/server/log/stored-output.ts';
import {
  batchesOf,
  countDescriptors,
  piecesOf,
  readAll,
  sizeOf,
  toText,
  type Write,
} from '../../support/stored-pieces.ts';

const KIB = 1024;

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sbx-test-log-'));
});
afterEach(() => {
  expect(countDescriptors(parent)).toBe(0);
  rmSync(parent, { recursive: true });
});

async function withDisk(options: string, use: (place: string) => Promise<void>): Promise<void> {
  const place = join(parent, 'disk');
  mkdirSync(place);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place]);
  try {
    await use(place);
  } finally {
    // A test that fails may have a file open there, and its own words are those to see.
    execFileSync('umount', ['-l', place]);
  }
}

async function whyAppendFails(log: StoredLog, pieces: Parameters<StoredLog['append']>[0]): Promise<SbxError> {
  const error: unknown = await log.append(pieces).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SbxError);
  return error as SbxError;
}

function whyOpenFails(directory: string): SbxError {
  try {
    openStoredLog(directory, { capBytes: 64 * KIB });
  } catch (error) {
    expect(error).toBeInstanceOf(SbxError);
    return error as SbxError;
  }
  throw new Error(`${directory} was opened`);
}

const both = (count: number, length: number): Write[] =>
  Array.from({ length: count }, (_, index) => ({
    stream: index % 2 === 0 ? ('stdout' as const) : ('stderr' as const),
    length,
    time: index,
  }));

describe('a log on a full disk', () => {
  it.each([40_000, 3000, 7])(
    'loses whole pieces of %i bytes, says so, and goes on when there is room',
    async (length) => {
      await withDisk('size=256k', async (place) => {
        const directory = join(place, 'log');
        const log = openStoredLog(directory, { capBytes: 1024 * KIB * KIB });
        const filler = join(place, 'filler');
        writeFileSync(filler, Buffer.alloc(100 * KIB));
        const pieces = piecesOf(both(Math.ceil((400 * KIB) / length), length));
        const batches = batchesOf(pieces, Math.ceil((6 * KIB) / length));
        const failed: SbxError[] = [];
        for (const [index, batch] of batches.entries()) {
          // Near the end of them there is room again.
          if (index === batches.length - 2) rmSync(filler);
          const before = failed.length;
          await log.append(batch).catch((error: unknown) => failed.push(error as SbxError));
          if (before === 0 && failed.length > 0) {
            const frames = await readAll(log);
            expect(sizeOf(directory)).toBe(frames.reduce((sum, { bytes }) => sum + 23 + bytes.length, 0));
          }
        }
        expect(failed.length).toBeGreaterThan(0);
        expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(['disk_full']));
        expect(failed[0]?.message).toContain(directory);

        const read = toText(await readAll(log));
        const all = toText(pieces);
        const kept = new Set(read);
        expect(read).toEqual(all.filter((piece) => kept.has(piece)));
        expect(read.slice(0, 2)).toEqual(all.slice(0, 2));
        expect(read.at(-1)).toBe(all.at(-1));
        expect(read.length).toBeLessThan(all.length);
        const { stdout, stderr } = log.stored;
        expect(stdout + stderr).toBe(pieces.length * length);
        await log.close();
        const again = reopenStoredLog(directory)!;
        expect(toText(await readAll(again))).toEqual(read);
        expect(again.stored).toEqual(log.stored);
      });
    },
  );

  it('leaves no file of a segment that could not be begun', async () => {
    await withDisk('size=64k', async (place) => {
      const log = openStoredLog(join(place, 'log'), { capBytes: 1024 * KIB });
      writeFileSync(join(place, 'filler'), Buffer.alloc(64 * KIB));
      const pieces = piecesOf(both(1, 5000));
      expect((await whyAppendFails(log, pieces)).code).toBe('disk_full');
      expect(readdirSync(join(place, 'log'))).toEqual([]);
      expect(log.stored).toEqual({ stdout: 0, stderr: 0 });
      expect(await log.offsetsAt(0)).toEqual({ stdout: 0, stderr: 0 });
      rmSync(join(place, 'filler'));
      await log.append(pieces);
      expect(toText(await readAll(log))).toEqual(toText(pieces));
      await log.close();
    });
  });

  it('cannot be opened, and says why', async () => {
    await withDisk('nr_inodes=1', async (place) => {
      const { code, message } = whyOpenFails(join(place, 'log'));
      expect(code).toBe('disk_full');
      expect(message).toContain(join(place, 'log'));
    });
  });
});

describe('a log whose directory is not what it needs', () => {
  it('is not opened under a file', () => {
    writeFileSync(join(parent, 'file'), '');
    const { code, message } = whyOpenFails(join(parent, 'file', 'log'));
    expect(code).toBe('state_dir_unusable');
    expect(message).toContain(join(parent, 'file', 'log'));
  });

  it('is not opened where others can look in', () => {
    const directory = join(parent, 'log');
    mkdirSync(directory);
    chmodSync(directory, 0o755);
    expect(whyOpenFails(directory)).toMatchObject({
      code: 'state_dir_unusable',
      hint: `Close it with: chmod 700 ${directory}`,
    });
  });

  it('is not begun where there is one', async () => {
    const directory = join(parent, 'log');
    const log = openStoredLog(directory, { capBytes: KIB });
    await log.append(piecesOf(both(1, 5)));
    await log.close();
    expect(whyOpenFails(directory).message).toBe(`Cannot begin a log in ${directory}: it has one already`);
    expect((await readAll(reopenStoredLog(directory)!)).length).toBe(1);
  });

  it('is not opened again where a file has its name', () => {
    writeFileSync(join(parent, 'file'), '');
    expect(() => reopenStoredLog(join(parent, 'file'))).toThrow(
      expect.objectContaining({ code: 'state_dir_unusable' }),
    );
  });

  it('says that its directory has gone, and goes on when it is there again', async () => {
    const directory = join(parent, 'log');
    const log = openStoredLog(directory, { capBytes: KIB });
    rmSync(directory, { recursive: true });
    const pieces = piecesOf(both(3, 5));
    const { code, message } = await whyAppendFails(log, pieces.slice(0, 2));
    expect(code).toBe('state_dir_unusable');
    expect(message).toContain(directory);
    mkdirSync(directory);
    await log.append(pieces.slice(2));
    expect(toText(await readAll(log))).toEqual(toText(pieces.slice(2)));
    await log.close();
  });

  it('is read without the segments that somebody has deleted', async () => {
    const directory = join(parent, 'log');
    const log = openStoredLog(directory, { capBytes: 1024 * KIB });
    const pieces = piecesOf(both(8, 40_000));
    await log.append(pieces);
    for (const name of readdirSync(directory).filter((one) => one.startsWith('stderr'))) {
      expect(statSync(join(directory, name)).size).toBe(40_023);
      rmSync(join(directory, name));
    }
    const kept = pieces.filter(({ stream }) => stream === 'stdout');
    expect(toText(await readAll(log))).toEqual(toText(kept));
    await log.close();
  });
});
