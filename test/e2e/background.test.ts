import { describe, expect, it } from 'vitest';
import { findExecs } from '../support/api.ts';
import { toWait } from '../support/detached.ts';
import { findGuests, makeMark, waitUntil } from '../support/guests.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell } from '../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

describe.each(MODES)('a process that a command leaves behind, $mode', ({ flags }) => {
  const run = (script: string) => home.run(['exec', ...flags, sandbox, 'sh', '-c', script]);

  it('does not hold the command up while it keeps the streams open', async () => {
    const mark = makeMark();
    const { stdout, stderr, exitCode } = await run(`sh -c 'sleep 300; : ${mark}' & echo hi`);
    expect({ stdout, stderr, exitCode }).toEqual({ stdout: 'hi\n', stderr: '', exitCode: 0 });
    await waitUntil(() => findGuests(mark).length > 0);
    expect(await findExecs(home, mark)).toMatchObject([{ state: 'exited', drain_truncated: true }]);
  });

  it('lives on while it writes, for nobody is there to break its pipe', async () => {
    const mark = makeMark();
    const { stdout, exitCode } = await run(
      `echo started; (while sleep .2; do echo log; echo x >> /tmp/${mark}; done) &`,
    );
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^started\n(log\n)*$/);
    const grows = `count() { wc -l < /tmp/${mark}; }; was=$(count); until [ $(count) -gt $((was + 3)) ]; do sleep .1; done
      grep -l ${mark} /proc/[0-9]*/cmdline | grep -v "/$$/" | wc -l`;
    expect(await run(grows)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^[1-9]/) as string,
    });
  });

  it('is heard for a while after the command has ended', async () => {
    const late = '(while kill -0 $$ 2>/dev/null; do sleep .01; done; echo late)';
    const { stdout } = await run(`${late} & echo early`);
    expect(stdout).toBe('early\nlate\n');
  });

  it('is no reason to wait when it has let go of the streams', async () => {
    const mark = makeMark();
    const lets = `sh -c 'touch /tmp/${mark}; sleep 300; : ${mark}' >/dev/null 2>&1`;
    const { stdout } = await run(`${lets} & ${toWait(mark)}; echo done`);
    expect(stdout).toBe('done\n');
    expect(await findExecs(home, mark)).toMatchObject([{ state: 'exited', drain_truncated: false }]);
  });

  it('leaves no status but that of the command', async () => {
    const { exitCode } = await run('(sleep 0.2; exit 9) & exit 4');
    expect(exitCode).toBe(4);
  });
});

it('lets what was started in one exec be seen, signalled and served by the next', async () => {
  const mark = makeMark();
  const start = `sleep 300.5 & echo $! > /tmp/${mark}`;
  await home.run(['exec', sandbox, 'sh', '-c', `(${start}) >/dev/null 2>&1`]);
  // The shell may not yet have become it.
  const script = `pid=$(cat /tmp/${mark}); until grep -q '^sleep' /proc/$pid/cmdline; do sleep .05; done
    tr '\\0' ' ' < /proc/$pid/cmdline; kill $pid && while kill -0 $pid 2>/dev/null; do sleep .05; done`;
  const { stdout, exitCode } = await home.run(['exec', sandbox, 'sh', '-c', script]);
  expect({ stdout, exitCode }).toEqual({ stdout: 'sleep 300.5 ', exitCode: 0 });
});

it('reaches a server in the background from the next exec over localhost', async () => {
  const serve = 'cd /tmp && echo hello > page && (python3 -m http.server 8080 >/dev/null 2>&1 &)';
  await home.run(['exec', sandbox, 'sh', '-c', serve]);
  const get = `
import time, urllib.request
for attempt in range(1000):
    try:
        print(urllib.request.urlopen('http://localhost:8080/page').read().decode(), end='')
        break
    except OSError:
        time.sleep(0.05)
`;
  const { stdout, exitCode } = await home.run(['exec', sandbox, 'python3', '-c', get]);
  expect({ stdout, exitCode }).toEqual({ stdout: 'hello\n', exitCode: 0 });
});

it('is ended with its sandbox', async () => {
  const mark = makeMark();
  const name = await home.createSandbox();
  await home.run([
    'exec',
    name,
    'sh',
    '-c',
    `setsid sh -c 'trap "" HUP TERM; sleep 300; : ${mark}' >/dev/null 2>&1 &`,
  ]);
  await waitUntil(() => findGuests(mark).length > 0);
  expect(await home.run(['rm', name])).toMatchObject({ exitCode: 0 });
  expect(findGuests(mark)).toEqual([]);
});

it('is ended with the fresh sandbox of its command', async () => {
  const mark = makeMark();
  const script = `sbx exec -- sh -c "sh -c 'sleep 300; : $1' >/dev/null 2>&1 & echo up"`;
  expect(await runShell(home, script, [mark])).toEqual({ stdout: 'up\n', stderr: '', exitCode: 0 });
  await expect.poll(() => findGuests(mark), { timeout: 60_000 }).toEqual([]);
});
