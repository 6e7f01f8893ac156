import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { routes } from '../../../src/protocol/api.ts';
import { callApi } from '../../support/api.ts';
import { startDetachedShell, withBrokenLog } from '../../support/detached.ts';
import { findGuests, makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { parseLine } from '../../support/json-schema.ts';

const home = useHome();
const sandbox = useSandbox(home);

it('a detached start whose record cannot be written is refused, and leaves nothing', async () => {
  const mark = makeMark();
  const id = randomUUID();
  const directory = join(home.stateDir, 'execs', id);
  await mkdir(join(directory, 'record.json.new'), { recursive: true });
  const json = { id, sandbox, argv: ['sh', '-c', `sleep 1000; : ${mark}`], detached: true };
  const { status, body } = await callApi(home, 'POST', { path: routes.execs, json });
  expect(status).toBeGreaterThanOrEqual(500);
  expect(body).toMatchObject({ error: { code: 'state_dir_unusable' } });
  expect(findGuests(mark)).toEqual([]);
  expect(await callApi(home, 'GET', { path: routes.exec(id) })).toMatchObject({ status: 404 });
  await waitUntil(() => !existsSync(directory));
});

it('the end of an exec can be waited for where its log cannot be read', async () => {
  const id = await startDetachedShell(home, sandbox, ['echo out; exit 3']);
  expect(await home.run(['wait', id])).toMatchObject({ exitCode: 3 });
  const { stdout, stderr, exitCode } = await withBrokenLog(home, id, () => home.run(['wait', id]));
  expect({ stdout, stderr, exitCode }).toEqual({ stdout: '', stderr: '', exitCode: 3 });
  expect(await home.run(['logs', id])).toMatchObject({ stdout: 'out\n', exitCode: 0 });
});

it('a command runs with all its words, of which the record keeps the first when it has ended', async () => {
  const word = 'x'.repeat(100_000);
  const id = await startDetachedShell(home, sandbox, [`: ${word}; exec sleep 1000`]);
  const running = parseLine((await home.run(['ps', '--json'])).stdout, 'execs').execs[0];
  expect(running).toMatchObject({ id, argv: ['sh', '-c', `: ${word}; exec sleep 1000`] });
  expect(running).not.toHaveProperty('argv_truncated');
  await home.run(['kill', id]);
  await home.run(['wait', id]);
  const { execs } = parseLine((await home.run(['ps', '--all', '--json'])).stdout, 'execs');
  const ended = execs.find((exec) => exec.id === id);
  expect(ended).toMatchObject({ argv_truncated: true });
  expect(ended?.argv.join(' ').length).toBe(4096);
});
