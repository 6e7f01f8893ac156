import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExecJournal } from '../../../src/server/log/exec-journal.ts';
import { openStoredLog } from '../../../src/server/log/stored-log.ts';

const BYTES = Buffer.alloc(50_000, 'x');

let parent: string;
let journal: ExecJournal;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sbx-test-journal-'));
  journal = new ExecJournal({
    onChange: () => undefined,
    log: (line) => {
      throw new Error(line);
    },
  });
});
afterEach(async () => {
  await journal.settle();
  rmSync(parent, { recursive: true });
});

const keep = (): void => {
  journal.keepIn(openStoredLog(join(parent, 'log'), { capBytes: 1024 * 1024 }));
};

describe('a log on disk that begins late', () => {
  it('does not make unseen what was shown', async () => {
    journal.hold({ stdout: 0, stderr: 0 });
    journal.append('stdout', BYTES);
    expect(journal.visible).toEqual({ stdout: BYTES.length, stderr: 0 });
    keep();
    expect(journal.visible).toEqual({ stdout: BYTES.length, stderr: 0 });
    await journal.settle();
    expect(journal.visible).toEqual({ stdout: BYTES.length, stderr: 0 });
  });

  it('is whole for everyone who waits for that', async () => {
    keep();
    journal.append('stdout', BYTES);
    const waits = [journal.settle(), journal.settle()];
    await Promise.all(waits);
    expect(journal.store?.stored).toEqual({ stdout: BYTES.length, stderr: 0 });
  });
});

describe('output that nobody holds and no log keeps', () => {
  it('is thrown away until somebody holds it again', () => {
    journal.hold({ stdout: 0, stderr: 0 });
    journal.letGo();
    journal.append('stdout', BYTES);
    expect(journal.memory.find('stdout', 0, 10)).toBeUndefined();
    journal.hold(journal.visible);
    journal.append('stdout', Buffer.from('kept'));
    expect(journal.memory.find('stdout', BYTES.length, 10)?.bytes.toString()).toBe('kept');
  });
});
