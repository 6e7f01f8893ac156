import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { routes } from '../../../src/protocol/api.ts';
import { callApi } from '../../support/api.ts';
import { startDetachedShell } from '../../support/detached.ts';
import { useHome } from '../../support/home.ts';
import { parseLine } from '../../support/json-schema.ts';

const home = useHome();

beforeAll(async () => {
  await home.createSandbox('one');
  await home.createSandbox('two');
});

const ps = async (...args: string[]): Promise<string> => {
  const { stdout, stderr, exitCode } = await home.run(['ps', ...args]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return String(stdout);
};

describe('sbx ps', () => {
  it('lists what runs, and with --all what has ended, in one sandbox or in all', async () => {
    const running = await startDetachedShell(home, 'one', ['exec sleep 1000']);
    const other = await startDetachedShell(home, 'two', ['exec sleep 1000']);
    const ended = await startDetachedShell(home, 'one', ["printf 'a\nb'; exit 3"]);
    await home.run(['wait', ended]);
    await home.run(['exec', 'one', 'no-such-command']);
    expect(await ps('-q')).toBe(`${running}\n${other}\n`);
    expect(await ps('-q', 'two')).toBe(`${other}\n`);
    expect((await ps('-aq', 'one')).split('\n')).toEqual([running, ended, expect.any(String), '']);
    const [header, ...rows] = (await ps('--all')).trimEnd().split('\n');
    expect(header).toMatch(/^EXEC +SANDBOX +STATE +CREATED +STATUS +COMMAND$/);
    expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
      [running.slice(0, 8), 'one', 'running', expect.any(String), '-', "sh -c 'exec sleep 1000'"],
      [other.slice(0, 8), 'two', 'running', expect.any(String), '-', "sh -c 'exec sleep 1000'"],
      [ended.slice(0, 8), 'one', 'exited', expect.any(String), '3', expect.stringContaining('sh -c $')],
      [expect.any(String), 'one', 'failed', expect.any(String), '127', 'no-such-command'],
    ]);
    const records = parseLine(await ps('--all', '--json', 'one'), 'execs').execs;
    expect(records.map(({ state }) => state)).toEqual(['running', 'exited', 'failed']);
    expect(records[1]).toMatchObject({ id: ended, exit: { code: 3 }, detached: true, log: true });
    expect(parseLine(await ps('--all', '--json'), 'execs').execs).toHaveLength(4);
    await home.run(['kill', running, other]);
  });

  it('says that there is no such sandbox', async () => {
    const { stdout, stderr, exitCode } = await home.run(['ps', 'none-such']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toContain('"none-such"');
  });
});

const COMMANDS = ['logs', 'attach', 'wait', 'kill', 'rm --exec'].map((line) => line.split(' '));

describe.each(COMMANDS)('sbx %s', (...command) => {
  it.each(['', '1234567', 'one', '../../x', `${randomUUID()}0`])(
    'refuses %j, which is no id',
    async (word) => {
      const { stdout, stderr, exitCode } = await home.run([...command, word]);
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
      expect(stderr).toMatch(/^sbx: .*is not the id of an exec\nsbx: hint: .*sbx ps --all\n$/);
    },
  );

  it('says where there is no such exec', async () => {
    const { stderr, exitCode } = await home.run([...command, '00000000']);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(/^sbx: There is no exec 00000000.*\nsbx: hint: .*\n$/);
  });

  it('takes a shortened id that means one exec, and refuses one that means two', async () => {
    const start = randomUUID().slice(0, 8);
    const [one, two] = ['1', '2'].map((last) => `${start}-0000-4000-8000-00000000000${last}`);
    for (const id of [one, two]) {
      const json = { id, sandbox: 'one', argv: ['sleep', '1000'], detached: true };
      expect(await callApi(home, 'POST', { path: routes.execs, json })).toMatchObject({ status: 201 });
    }
    const { stderr, exitCode } = await home.run([...command, start]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(new RegExp(`^sbx: .*${start}.*\nsbx: hint: .*\n$`));
    expect(await home.run(['kill', '-s', 'KILL', one!, two!])).toMatchObject({ stderr: '', exitCode: 0 });
    for (const id of [one, two]) await home.run(['wait', id!]);
    expect(await home.run(['rm', '--exec', one!])).toMatchObject({ stderr: '', exitCode: 0 });
    expect(await home.run(['wait', start])).toMatchObject({ exitCode: 137 });
  });
});
