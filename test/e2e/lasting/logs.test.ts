import { describe, expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { ByteReader } from '../../support/byte-reader.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import {
  LONG_LOG,
  readOutputSize,
  release,
  runInSteps,
  startDetachedShell,
  toBuffer,
  toWait,
  withBrokenLog,
} from '../../support/detached.ts';
import { makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { parseLine } from '../../support/json-schema.ts';
import { runShell } from '../../support/shell.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);

const start = (...script: readonly [string, ...string[]]): Promise<string> =>
  startDetachedShell(home, sandbox, script);

/** Starts it and waits for its end. */
async function runToEnd(...script: readonly [string, ...string[]]): Promise<string> {
  const id = await start(...script);
  await home.run(['wait', id]);
  return id;
}

const logs = (...args: string[]) => home.run(['logs', ...args]);

describe('a log that cannot be read', () => {
  it('is said to be so, is no gap, and is there when it can be read again', async () => {
    const id = await start(`head -c ${LONG_LOG} /dev/zero; exec sleep 1000`);
    await waitUntil(async () => (await readOutputSize(home, id)) === LONG_LOG);
    const { stderr, exitCode } = await withBrokenLog(home, id, () => logs(id));
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(/^sbx: Cannot use the log .*EISDIR.*\nsbx: hint: .+\n$/);
    // The last of it may still be on its way to the disk.
    await waitUntil(async () => toBuffer((await home.runBytes(['logs', id])).stdout).length === LONG_LOG);
    await home.run(['kill', id]);
  });
});

describe('the log of an exec that has ended', () => {
  it('is read whole where no connection is upgraded, however long it is', async () => {
    const id = await runToEnd('seq -w 100000000 100900000');
    const proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket, refusesUpgrades: true });
    const { stdout } = await toVia(home, proxy.host).run(['logs', id], { maxBuffer: 2 ** 26 });
    await proxy.close();
    const lines = String(stdout).trimEnd().split('\n');
    expect([lines.length, lines[0], lines.at(-1)]).toEqual([900_001, '100000000', '100900000']);
  });

  it('is printed stream by stream, with the status 0 however it ended', async () => {
    const id = await runToEnd('echo out; echo err >&2; exit 7');
    const whole = { stdout: 'out\n', stderr: 'err\n', exitCode: 0 };
    expect(await logs(id)).toMatchObject(whole);
    expect(await logs('-f', id)).toMatchObject(whole);
    expect(await logs(id.slice(0, 8))).toMatchObject(whole);
    expect(await logs('--stdout', id)).toMatchObject({ stdout: 'out\n', stderr: '' });
    expect(await logs('--stderr', id)).toMatchObject({ stdout: '', stderr: 'err\n' });
    expect(await logs('--stderr', '--stdout', id)).toMatchObject(whole);
  });

  it('may be empty', async () => {
    const id = await runToEnd('true');
    for (const more of [[], ['-f'], ['--tail', '5']]) {
      expect(await logs(...more, id)).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    }
  });

  it('has the bytes that were written, whatever they are', async () => {
    const id = await runToEnd("printf '\\377\\000\\r\\n\\n'; head -c 2000000 /dev/zero");
    const { stdout } = await home.runBytes(['logs', id]);
    const bytes = toBuffer(stdout);
    expect(bytes.subarray(0, 5)).toEqual(Buffer.from([255, 0, 13, 10, 10]));
    expect(bytes.length).toBe(2_000_005);
  });

  it('has last lines, counted over the streams that are shown', async () => {
    const both = (count: number) => [`echo out ${count}`, `echo err ${count} >&2`] as const;
    const id = await runInSteps(home, sandbox, {
      steps: [...both(1), ...both(2), ...both(3), 'printf rest'],
    });
    expect(await logs('--tail', '3', id)).toMatchObject({ stdout: 'out 3\nrest', stderr: 'err 3\n' });
    expect(await logs('--tail', '2', '--stderr', id)).toMatchObject({ stdout: '', stderr: 'err 2\nerr 3\n' });
    expect(await logs('--tail', '0', id)).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    const all = { stdout: 'out 1\nout 2\nout 3\nrest', stderr: 'err 1\nerr 2\nerr 3\n' };
    expect(await logs('--tail', '1000', id)).toMatchObject(all);
  });

  it('has times before its lines, and can begin at one', async () => {
    const id = await runInSteps(home, sandbox, { steps: ['printf a', 'echo b', 'echo c'], pauseMs: 300 });
    const { stdout } = await logs('-t', id);
    const lines = String(stdout).split('\n');
    const stamps = lines.slice(0, 2).map((line) => line.split(' ')[0] ?? '');
    expect(lines.map((line) => line.split(' ')[1])).toEqual(['ab', 'c', undefined]);
    expect(stamps.map((stamp) => new Date(stamp).toISOString())).toEqual(stamps);
    expect(Date.parse(stamps[1]!) - Date.parse(stamps[0]!)).toBeGreaterThanOrEqual(500);
    expect(await logs('--since', stamps[1]!, id)).toMatchObject({ stdout: 'c\n' });
    expect(await logs('--since', stamps[0]!, id)).toMatchObject({ stdout: 'ab\nc\n' });
    expect(await logs('--since', '1h', '--tail', '1', id)).toMatchObject({ stdout: 'c\n' });
    expect(await logs('--since', '2100-01-01', id)).toMatchObject({ stdout: '', exitCode: 0 });
  });

  it('says how much was dropped, where it was', async () => {
    const id = await runToEnd('seq 1 100000; echo end', '--log-size', '64KiB');
    const { stdout, stderr, exitCode } = await logs(id);
    const [, dropped] = /^sbx: (\d+) bytes of stdout were dropped here\n$/.exec(String(stderr)) ?? [];
    const written = `${Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join('')}end\n`;
    expect(exitCode).toBe(0);
    expect(String(stdout).length).toBeLessThanOrEqual(64 * 1024);
    expect(stdout).toBe(written.slice(Number(dropped)));
    expect(await logs('--tail', '2', id)).toMatchObject({ stdout: '100000\nend\n', stderr: '' });
  });

  it.each([
    { how: 'that cannot be started', id: undefined },
    { how: 'whose sandbox is still there', id: 'true' },
  ])('of an attached exec $how is not kept, and this is said', async ({ id: command }) => {
    await home.run(['exec', sandbox, command ?? 'no-such-command']);
    const { stdout: list } = await home.run(['ps', '--all', '--json', sandbox]);
    const { id } = parseLine(list, 'execs').execs.at(-1)!;
    const { stdout, stderr, exitCode } = await logs(id);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*is not kept\nsbx: hint: .*--detach or --log, .*--on-disconnect keep\n$/);
  });

  it('of an attached exec is kept with --log', async () => {
    const run = await home.run(['exec', '--log', sandbox, '--', 'sh', '-c', 'echo out; echo err >&2']);
    expect(run).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 0 });
    const { stdout: list } = await home.run(['ps', '--all', '--json', sandbox]);
    const { id } = parseLine(list, 'execs').execs.at(-1)!;
    expect(await logs(id)).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 0 });
  });
});

describe('the log of an exec that runs', () => {
  it('is what there is, and no more is waited for', async () => {
    const id = await start('echo now; exec sleep 1000');
    await waitUntil(async () => String((await logs(id)).stdout) === 'now\n');
    await home.run(['kill', id]);
  });

  it('is followed to the end, from the last lines on', async () => {
    const mark = makeMark();
    const id = await start(`seq 1 10; ${toWait(mark)}; echo late; echo error >&2; exit 3`);
    await waitUntil(async () => String((await logs(id)).stdout).endsWith('10\n'));
    const following = home.start(['logs', '-f', '--tail', '2', id]);
    const stdout = new ByteReader(following.stdout);
    const stderr = new ByteReader(following.stderr).rest();
    expect(await stdout.line()).toBe('9');
    await release(home, sandbox, mark);
    expect((await stdout.rest()).toString()).toBe('10\nlate\n');
    expect((await stderr).toString()).toBe('error\n');
    expect(await following).toMatchObject({ exitCode: 0 });
  });

  it.each([
    { signal: 'SIGINT', status: 130 },
    { signal: 'SIGTERM', status: 143 },
  ] as const)('is left with the status $status on $signal, and goes on', async ({ signal, status }) => {
    const id = await start('echo ready; exec sleep 1000');
    const following = home.start(['logs', '-f', id]);
    following.stderr.resume();
    expect(await new ByteReader(following.stdout).line()).toBe('ready');
    following.kill(signal);
    expect(await following).toMatchObject({ exitCode: status });
    expect(String((await home.run(['ps', '-q', sandbox])).stdout)).toContain(id);
    await home.run(['kill', id]);
  });

  it('is left as cat would where its reader has gone', async () => {
    const id = await start('yes | head -c 10000000; exec sleep 1000');
    const line = 'sbx logs -f "$1" | head -n 1; echo "${PIPESTATUS[0]}"';
    expect(await runShell(home, line, [id])).toMatchObject({ stdout: 'y\n141\n', stderr: '' });
    await home.run(['kill', id]);
  });

  it('that cannot be written is an error, and no end of the exec', async () => {
    const id = await start('yes | head -c 1000000; exec sleep 1000');
    const { stderr, exitCode } = await runShell(home, 'sbx logs -f "$1" >/dev/full', [id]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(/^sbx: Cannot write to stdout: .*\nsbx: hint: Nothing is lost.*\n$/);
    expect(String((await home.run(['ps', '-q', sandbox])).stdout)).toContain(id);
    await home.run(['kill', id]);
  });
});
