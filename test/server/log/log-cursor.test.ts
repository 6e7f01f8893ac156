import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ExecLog, type LogPiece } from '../../../src/server/log/exec-log.ts';
import { LogCursor, type Next } from '../../../src/server/log/log-cursor.ts';
import { openStoredLog } from '../../../src/server/log/stored-log.ts';

const ALL = { stdout: Infinity, stderr: Infinity };

/** The next piece, waited for. */
async function read(cursor: (wake: () => void) => LogCursor, offset: number): Promise<Next> {
  let wake = (): void => undefined;
  const reader = cursor(() => {
    wake();
  });
  for (;;) {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const from = { stdout: offset, stderr: 0 };
    const next = reader.next({ from, limit: 1000, room: { memory: ALL, store: ALL } });
    if (next !== 'later') {
      reader.close();
      return next;
    }
    await woken;
  }
}

it.each([
  { what: 'memory has more than the disk', stored: 300, kept: 100, wanted: 100 },
  { what: 'the disk has more than memory', stored: 100, kept: 300, wanted: 100 },
  { what: 'only memory has something', stored: undefined, kept: 200, wanted: 200 },
])('a gap is no larger than what is kept nowhere: $what', async ({ stored, kept, wanted }) => {
  const parent = mkdtempSync(join(tmpdir(), 'sbx-test-cursor-'));
  const memory = new ExecLog();
  // Records of their own, as their times differ.
  for (let time = 0; time < 4; time += 1) memory.append('stdout', Buffer.alloc(100, 'x'), time);
  const pieces: LogPiece[] = [];
  for (let at = stored ?? 400; at < 400; at += 100) pieces.push(memory.find('stdout', at, 100)!);
  const store = openStoredLog(join(parent, 'log'), { capBytes: 2 ** 20 });
  await store.append(pieces);
  await store.close();
  memory.acknowledge('stdout', kept);
  const view = { memory, store, visible: memory.written };
  expect(await read((wake) => new LogCursor(view, wake), 0)).toMatchObject({ offset: wanted });
  rmSync(parent, { recursive: true });
});
