import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExecRecord } from '../../src/protocol/api.ts';
import { EndedRecords } from '../../src/server/ended-records.ts';
import { waitUntil } from '../support/guests.ts';
import { findSchemaErrors } from '../support/json-schema.ts';

let directory: string;
let lines: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbx-test-records-'));
  lines = [];
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const open = (): EndedRecords => new EndedRecords({ directory, log: (line) => lines.push(line) });

const toRecord = (more: Partial<ExecRecord> = {}): ExecRecord => ({
  schema: 1,
  id: randomUUID(),
  owner: 'uid:0',
  sandbox: { id: randomUUID(), name: 'box' },
  argv: ['true'],
  state: 'exited',
  created: new Date().toISOString(),
  ended: new Date().toISOString(),
  exit: { code: 0 },
  reason: 'exited',
  error: null,
  bytes: { stdout: 0, stderr: 0 },
  closed: [],
  drain_truncated: false,
  duration_ms: 1,
  detached: false,
  log: false,
  ...more,
});

const readBack = (id: string): ExecRecord =>
  JSON.parse(readFileSync(join(directory, id, 'record.json'), 'utf8')) as ExecRecord;

describe('the words of a command that has ended', () => {
  it.each([
    { what: 'that are few', argv: ['sh', '-c', 'x'.repeat(4000)], kept: undefined },
    { what: 'of which one is long', argv: ['sh', 'x'.repeat(100_000), 'y'], kept: ['sh', 'x'.repeat(4093)] },
    { what: 'that are many', argv: Array<string>(5000).fill(''), kept: Array<string>(4097).fill('') },
    { what: 'of wide characters', argv: ['ä'.repeat(3000)], kept: ['ä'.repeat(2048)] },
    { what: 'that break within a character', argv: ['', 'ä'.repeat(3000)], kept: ['', 'ä'.repeat(2047)] },
  ])('are kept up to 4 KiB: $what', ({ argv, kept }) => {
    const records = open();
    const record = toRecord({ argv });
    records.keep(record);
    const wanted = kept === undefined ? record : { ...record, argv: kept, argv_truncated: true };
    expect(records.get(record.id)).toEqual(wanted);
    expect(readBack(record.id)).toEqual(wanted);
    expect(findSchemaErrors('execs', { schema: 1, execs: [wanted] })).toEqual([]);
  });

  it('are cut where another server kept them whole, or the exec is lost', () => {
    const argv = ['x'.repeat(10_000)];
    const whole = [toRecord({ argv }), toRecord({ argv, state: 'running', ended: null })];
    const before = open();
    for (const record of whole) before.requireWritten(record);
    const records = open();
    records.load();
    for (const { id } of whole) expect(records.get(id)).toMatchObject({ argv_truncated: true });
  });
});

describe('how many are kept', () => {
  it('a thousand, the newest, with an empty log or without one', () => {
    const records = open();
    const all = Array.from({ length: 1003 }, (_, at) => toRecord({ log: at % 2 === 0 }));
    for (const record of all) records.keep(record);
    expect([...records.values()].map(({ id }) => id)).toEqual(all.slice(3).map(({ id }) => id));
    const again = open();
    again.keep(toRecord({ owner: 'uid:1' }));
    again.load();
    expect([...again.values()]).toHaveLength(1001);
  });

  it('all that have something in their logs, or may have', () => {
    const records = open();
    const logged = { log: true, bytes: { stdout: 1, stderr: 0 } };
    const long = [toRecord(logged), toRecord({ log: true, state: 'lost' })];
    for (const record of long) records.keep(record);
    for (let count = 0; count < 1000; count += 1) records.keep(toRecord());
    for (const { id } of long) expect(records.has(id)).toBe(true);
    expect([...records.values()]).toHaveLength(1002);
    // Without its log it is one like the others, and the oldest.
    records.dropLogsOf({ ...long[0]!.sandbox, fresh: false } as never);
    expect(long.map(({ id }) => records.has(id))).toEqual([false, true]);
  });

  it('for a day, and with something in its log for a week', () => {
    const ended = (hours: number) => ({ ended: new Date(Date.now() - hours * 3_600_000).toISOString() });
    const logged = { log: true, bytes: { stdout: 1, stderr: 0 } };
    const [old, young] = [toRecord(ended(25)), toRecord(ended(23))];
    const empty = toRecord({ ...ended(25), log: true });
    const [ancient, long] = [toRecord({ ...logged, ...ended(169) }), toRecord({ ...logged, ...ended(100) })];
    const before = open();
    for (const record of [young, old, long, ancient, empty]) before.requireWritten(record);
    const records = open();
    records.load();
    expect([...records.values()].map(({ id }) => id)).toEqual([long.id, young.id]);
  });
});

describe('a record that cannot be written', () => {
  it('is written when another one can be', () => {
    const records = open();
    const record = toRecord();
    const block = join(directory, record.id, 'record.json.new');
    mkdirSync(block, { recursive: true });
    records.write(record);
    expect(lines).toEqual([expect.stringContaining('EISDIR')]);
    rmSync(block, { recursive: true });
    records.write(toRecord());
    expect(readBack(record.id)).toEqual(record);
  });

  it('does not take its log with it', async () => {
    const [logged, empty] = [randomUUID(), randomUUID()];
    for (const id of [logged, empty]) mkdirSync(join(directory, id, 'log'), { recursive: true });
    const segment = join(directory, logged, 'log', 'stdout-0000000000000000-0000000000000000.frames');
    writeFileSync(segment, 'x');
    const records = open();
    records.load();
    await waitUntil(() => !existsSync(join(directory, empty)));
    expect(existsSync(segment)).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^The log in .* has no record, and is left alone$/)]);
  });
});
