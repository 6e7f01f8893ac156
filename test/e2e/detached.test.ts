import { describe, expect, it } from 'vitest';
import { ByteReader, toSha256 } from '../support/byte-reader.ts';
import { release, startDetachedShell, toBuffer, toWait } from '../support/detached.ts';
import { makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { runShell } from '../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

const start = (...script: readonly [string, ...string[]]): Promise<string> =>
  startDetachedShell(home, sandbox, script);

async function untilLogged(id: string, stdout: string): Promise<void> {
  await waitUntil(async () => String((await home.run(['logs', id])).stdout) === stdout);
}

describe('a detached exec', () => {
  it('is followed, attached to, waited for and killed by others at once', async () => {
    const id = await start(
      'exec 2>&-; trap "echo got TERM; exit 9" TERM; echo ready; while :; do sleep 0.05; done',
    );
    const logs = home.run(['logs', '-f', id]);
    const attached = home.run(['attach', '--from', 'start', id], { stdin: 'ignore' });
    const watching = home.start(['attach', '-n', '--from', 'start', id]);
    const waited = home.run(['wait', id]);
    watching.stderr.resume();
    const output = new ByteReader(watching.stdout);
    expect(await output.line()).toBe('ready');
    expect(await home.run(['kill', id])).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    expect(await logs).toMatchObject({ stdout: 'ready\ngot TERM\n', stderr: '', exitCode: 0 });
    expect(await attached).toMatchObject({ stdout: 'ready\ngot TERM\n', exitCode: 9 });
    expect((await output.rest()).toString()).toBe('got TERM\n');
    expect(await watching).toMatchObject({ exitCode: 9 });
    expect(await waited).toMatchObject({ stdout: '', stderr: '', exitCode: 9 });
  });

  it('goes on when nobody reads, and when who started it is long gone', async () => {
    const mark = makeMark();
    const id = await start(`head -c 3000000 /dev/zero; echo end >&2; ${toWait(mark)}; exit 4`);
    await release(home, sandbox, mark);
    expect(await home.run(['wait', id])).toMatchObject({ exitCode: 4 });
    const { stdout, stderr } = await home.runBytes(['logs', id]);
    expect(toBuffer(stdout).length).toBe(3_000_000);
    expect(toBuffer(stderr).toString()).toBe('end\n');
  });

  it('gives two watchers the same bytes', async () => {
    const id = await start('head -c 5000000 /dev/urandom; exit 3');
    const watch = () => home.runBytes(['attach', '-n', '--from', 'start', id]);
    const [one, two] = await Promise.all([watch(), watch()]);
    expect([one.exitCode, two.exitCode]).toEqual([3, 3]);
    expect(toBuffer(one.stdout).length).toBe(5_000_000);
    expect(toSha256(toBuffer(one.stdout))).toBe(toSha256(toBuffer(two.stdout)));
  });

  it('has its stdin left open with -i, for who attaches', async () => {
    const id = await start('cat; exit 6', '-i');
    const args = ['attach', '--from', 'start', id];
    const fed = await home.run(args, { stdin: 'pipe', input: 'one\ntwo\n' });
    expect(fed).toMatchObject({ stdout: 'one\ntwo\n', stderr: '', exitCode: 6 });
  });

  it('has an empty stdin without -i, also where ours is not', async () => {
    const { stdout } = await runShell(home, 'echo mine | sbx exec -d "$1" -- sh -c "cat; echo end"', [
      sandbox,
    ]);
    const id = stdout.trim();
    expect(await home.run(['wait', id])).toMatchObject({ exitCode: 0 });
    expect(await home.run(['logs', id])).toMatchObject({ stdout: 'end\n' });
  });

  it.each([
    { command: 'no-such-command', status: 127 },
    { command: '/etc/passwd', status: 126 },
  ])('that cannot be started is an error at once: $command', async ({ command, status }) => {
    const { stdout, stderr, exitCode } = await home.run(['exec', '-d', sandbox, '--', command]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: status });
    expect(stderr).toMatch(new RegExp(`^sbx: .*${command}.*\nsbx: hint: .*\n$`));
  });

  it('ends with the status 124 after its time', async () => {
    const id = await start('exec sleep 1000', '--timeout', '200ms');
    expect(await home.run(['wait', id])).toMatchObject({ stderr: '', exitCode: 124 });
  });

  it('prints its id where a pipeline wants it', async () => {
    const line = 'id=$(sbx exec -d "$1" -- sh -c "exit 5" </dev/null); sbx wait "$id"';
    expect(await runShell(home, line, [sandbox])).toMatchObject({ stdout: '', stderr: '', exitCode: 5 });
  });
});

describe('sbx kill', () => {
  it('sends one signal with -s, and leaves it at that', async () => {
    const id = await start(
      'n=0; trap "n=\\$((n+1)); echo got \\$n" HUP; echo ready; while [ $n -lt 3 ]; do sleep 0.05; done; exit 8',
    );
    let logged = 'ready\n';
    await untilLogged(id, logged);
    for (const [index, name] of ['HUP', 'SIGHUP', '1'].entries()) {
      expect(await home.run(['kill', '-s', name, id])).toMatchObject({ stderr: '', exitCode: 0 });
      logged += `got ${index + 1}\n`;
      await untilLogged(id, logged);
    }
    expect(await home.run(['wait', id])).toMatchObject({ exitCode: 8 });
  });

  it('kills what does not end on TERM', async () => {
    const mark = makeMark();
    const id = await start(`trap '' TERM; echo ready; while :; do sleep 0.05; done # ${mark}`);
    await untilLogged(id, 'ready\n');
    expect(await home.run(['kill', '--kill-after', '100ms', id])).toMatchObject({ stderr: '', exitCode: 0 });
    expect(await home.run(['wait', id])).toMatchObject({ exitCode: 137 });
    await waitForGuestsToEnd(mark);
  });

  it('does what it can of several', async () => {
    const ids = [await start('exec sleep 1000'), await start('exec sleep 1000')];
    const none = '00000000-0000-4000-8000-000000000000';
    const { stderr, exitCode } = await home.run(['kill', ids[0]!, none, ids[1]!]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(new RegExp(`^sbx: .*${none}\nsbx: hint: .*\n$`));
    for (const id of ids) expect(await home.run(['wait', id])).toMatchObject({ exitCode: 143 });
  });
});

describe('sbx rm --exec', () => {
  it('forgets an exec that has ended, with its output', async () => {
    const id = await start('echo hi');
    await home.run(['wait', id]);
    expect(await home.run(['rm', '--exec', id])).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    const { stderr, exitCode } = await home.run(['logs', id]);
    expect(exitCode).toBe(125);
    expect(stderr).toContain(`There is no exec ${id}`);
  });
});
