import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../support/byte-reader.ts';
import { toWait } from '../support/detached.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { runShell, startShell } from '../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

const SIGNALS = [
  { name: 'INT', number: 2 },
  { name: 'TERM', number: 15 },
  { name: 'HUP', number: 1 },
  { name: 'QUIT', number: 3 },
  { name: 'USR1', number: 10 },
  { name: 'USR2', number: 12 },
] as const;

/** Sleeps for ever in short pieces, so that the shell comes to its traps. */
const IDLE = 'while :; do sleep 0.05; done';

/** Starts a shell in the sandbox and waits until it has set its traps and said so. */
async function startGuest(script: string, flags: readonly string[] = []) {
  const child = home.start(['exec', '--stream', '-n', ...flags, sandbox, 'sh', '-c', script], {
    stdin: 'ignore',
  });
  const stdout = new ByteReader(child.stdout);
  // Read at once: a shell has words of its own about children that died of a signal.
  const stderr = new ByteReader(child.stderr).rest();
  expect(await stdout.line()).toBe('ready');
  return { child, line: () => stdout.line(), errors: async () => (await stderr).toString() };
}

describe.each(SIGNALS)('SIG$name sent to sbx', ({ name, number }) => {
  it('reaches a command that ends on it in its own way', async () => {
    const guest = await startGuest(`trap 'echo got ${name}; exit 7' ${name}; echo ready; ${IDLE}`);
    guest.child.kill(`SIG${name}`);
    expect(await guest.line()).toBe(`got ${name}`);
    expect(await guest.child).toMatchObject({ exitCode: 7 });
    expect(await guest.errors()).not.toContain('sbx:');
  });

  it('reaches a command that goes on, each time', async () => {
    const guest = await startGuest(`n=0; trap 'n=$((n + 1)); echo "got $n"' ${name}; echo ready
      while [ $n -lt 2 ]; do sleep 0.05; done; exit 4`);
    guest.child.kill(`SIG${name}`);
    expect(await guest.line()).toBe('got 1');
    guest.child.kill(`SIG${name}`);
    expect(await guest.line()).toBe('got 2');
    expect(await guest.child).toMatchObject({ exitCode: 4 });
  });

  it('ends a command that does nothing about it', async () => {
    const guest = await startGuest('echo ready; exec sleep 1000');
    guest.child.kill(`SIG${name}`);
    expect(await guest.child).toMatchObject({ exitCode: 128 + number });
  });
});

it('reaches every process of the command: a shell that waits for its child is not held up', async () => {
  // Ready when the child is there that it waits for: a shell that is about to start one may lose a signal.
  const child = `sh -c 'echo ready; exec sleep 1000'`;
  const guest = await startGuest(`trap 'echo got TERM; exit 7' TERM; ${child}`);
  guest.child.kill('SIGTERM');
  expect(await guest.line()).toBe('got TERM');
  expect(await guest.child).toMatchObject({ exitCode: 7 });
});

it('forwards signals in buffered mode, and prints what the command said of them', async () => {
  const mark = makeMark();
  const script = `trap 'echo got TERM; exit 7' TERM; touch /tmp/${mark}; ${IDLE}`;
  const child = home.start(['exec', '-n', sandbox, 'sh', '-c', script]);
  const stdout = new ByteReader(child.stdout);
  child.stderr.resume();
  await home.run(['exec', sandbox, 'sh', '-c', toWait(mark)]);
  child.kill('SIGTERM');
  expect((await stdout.rest()).toString()).toBe('got TERM\n');
  expect(await child).toMatchObject({ exitCode: 7 });
});

describe('interrupts', () => {
  const STUBBORN = `trap 'echo got INT' INT; echo ready; ${IDLE}`;

  it('kill a command that ignores them at the third within three seconds', async () => {
    const mark = makeMark();
    const guest = await startGuest(`${STUBBORN} # ${mark}`);
    const sent: number[] = [];
    const interrupt = (): Promise<string> => {
      sent.push(performance.now());
      guest.child.kill('SIGINT');
      return guest.line();
    };
    // On a busy machine three may take longer than that: then the third is one like the others, and there is a fourth.
    for (let line = await interrupt(); line !== ''; line = await interrupt()) {
      expect(line).toBe('got INT');
      expect(performance.now() - (sent.at(-3) ?? -Infinity)).toBeGreaterThan(3_000);
    }
    expect(sent.length).toBeGreaterThanOrEqual(3);
    expect(await guest.child).toMatchObject({ exitCode: 137 });
    expect(await guest.errors()).toMatch(/^sbx: killing .*three interrupts$/m);
    expect(findGuests(mark)).toEqual([]);
  });

  it('go on being forwarded when they come at their leisure', async () => {
    const guest = await startGuest(STUBBORN);
    for (const pause of [0, 3_100, 0, 3_100]) {
      await sleep(pause);
      guest.child.kill('SIGINT');
      expect(await guest.line()).toBe('got INT');
    }
    guest.child.kill('SIGTERM');
    expect(await guest.child).toMatchObject({ exitCode: 143 });
    expect(await guest.errors()).not.toContain('sbx:');
  });
});

describe('a signal that was ignored when sbx started', () => {
  const TRAPS = `trap 'echo got HUP' HUP; trap 'echo got INT' INT; trap 'echo got QUIT' QUIT
    trap 'echo got USR1; exit 7' USR1; echo ready; ${IDLE}`;

  it.each([
    { how: 'by a trap', script: 'trap "" HUP INT; exec sbx exec --stream -n "$1" sh -c "$2"' },
    { how: 'by nohup', script: 'trap "" INT; exec nohup sbx exec --stream -n "$1" sh -c "$2" 2>/dev/null' },
  ])('stays ignored: $how', async ({ script }) => {
    const child = startShell(home, script, [sandbox, TRAPS]);
    const stdout = new ByteReader(child.stdout);
    child.stderr.resume();
    expect(await stdout.line()).toBe('ready');
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGUSR1'] as const) child.kill(signal);
    expect((await stdout.rest()).toString()).toBe('got USR1\n');
    expect(await child).toMatchObject({ exitCode: 7 });
  });

  it('stays ignored: INT and QUIT of a background job of a shell without job control', async () => {
    const script = 'sh -c "$3" sh "$1" "$2"';
    const job = 'sbx exec --stream -n "$1" sh -c "$2" & echo "$!" >&2; wait "$!"; exit "$?"';
    const child = startShell(home, script, [sandbox, TRAPS, job]);
    const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
    const pid = Number(await stderr.line());
    const errors = stderr.rest();
    expect(await stdout.line()).toBe('ready');
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGUSR1'] as const) process.kill(pid, signal);
    expect((await stdout.rest()).toString()).toBe('got USR1\n');
    expect((await errors).toString()).not.toContain('sbx:');
    expect(await child).toMatchObject({ exitCode: 7 });
  });
});

describe('SIGKILL of sbx', () => {
  it('hangs up on the command, and terminates it', async () => {
    const mark = makeMark();
    const guest = await startGuest(
      `trap 'echo HUP >> /tmp/${mark}' HUP; trap 'echo TERM >> /tmp/${mark}' TERM; echo ready; ${IDLE}`,
      ['--kill-after', '5m'],
    );
    guest.child.kill('SIGKILL');
    await waitUntil(async () => {
      const { stdout } = await home.run(['exec', sandbox, 'sort', `/tmp/${mark}`]);
      return String(stdout) === 'HUP\nTERM\n';
    });
    await home.run(['exec', sandbox, 'pkill', '-KILL', '-f', mark]);
    await waitForGuestsToEnd(mark);
  });

  it('kills a command that ignores that, after --kill-after', async () => {
    const mark = makeMark();
    const guest = await startGuest(`trap '' HUP TERM; echo ready; ${IDLE} # ${mark}`, [
      '--kill-after',
      '500ms',
    ]);
    guest.child.kill('SIGKILL');
    await waitForGuestsToEnd(mark);
  });

  it('ends a command that does nothing about it', async () => {
    const mark = makeMark();
    const guest = await startGuest(`echo ready; sleep 1000; : ${mark}`);
    guest.child.kill('SIGKILL');
    await waitForGuestsToEnd(mark);
  });

  it('ends a buffered command, and a fresh sandbox with it', async () => {
    const mark = makeMark();
    const child = home.start(['exec', '-n', '--', 'sh', '-c', `${IDLE} # ${mark}`]);
    while (findGuests(mark).length === 0) await sleep(20);
    child.kill('SIGKILL');
    await waitForGuestsToEnd(mark);
    await expect.poll(listSandboxes, { timeout: 60_000 }).toEqual([sandbox]);
  });
});

describe('a CI runner that cancels: INT, TERM after 7.5 s, KILL after 10 s', () => {
  async function cancel(guestScript: string): Promise<void> {
    const child = home.start(['exec', '--stream', '-n', '--', 'sh', '-c', guestScript], { stdin: 'ignore' });
    const stdout = new ByteReader(child.stdout);
    child.stderr.resume();
    expect(await stdout.line()).toBe('ready');
    const isOver = child.then(() => true);
    child.kill('SIGINT');
    if (await Promise.race([isOver, sleep(7_500, false)])) return;
    child.kill('SIGTERM');
    if (await Promise.race([isOver, sleep(2_500, false)])) return;
    child.kill('SIGKILL');
    await isOver;
  }

  it.concurrent.each([
    { what: 'ends on INT', traps: '' },
    { what: 'ends on TERM only', traps: 'trap "" INT; ' },
    { what: 'ends on neither', traps: 'trap "" INT TERM HUP; ' },
  ])('leaves nothing of a command that $what', async ({ traps }) => {
    const mark = makeMark();
    await cancel(`${traps}echo ready; ${IDLE} # ${mark}`);
    await waitForGuestsToEnd(mark);
  });

  it('leaves no fresh sandbox', async () => {
    await expect.poll(listSandboxes, { timeout: 60_000 }).toEqual([sandbox]);
  });
});

it.each([20, 40, 60, 80, 100, 150, 250, 400])(
  'ends when it is interrupted %i ms after its start, and leaves nothing',
  async (delay) => {
    // No shell: dash itself loses an interrupt that comes while it starts a child, here as everywhere.
    const duration = `1000.${process.pid}${delay}`;
    const child = home.start(['exec', '-n', '--', 'sleep', duration]);
    await sleep(delay);
    child.kill('SIGINT');
    const { exitCode, signal } = await child;
    // Before the program has loaded the signal ends it as any other.
    expect(signal === 'SIGINT' ? 130 : exitCode).toBe(130);
    await waitForGuestsToEnd(duration);
    await expect.poll(listSandboxes, { timeout: 60_000 }).toEqual([sandbox]);
  },
);

describe('without the comforts of a login', () => {
  it('works with nothing in the environment but PATH and the state directory', async () => {
    const { PATH = '', SBX_STATE_DIR = '' } = home.env;
    const env = { PATH, SBX_STATE_DIR };
    const { stdout, stderr, exitCode } = await home.run(['exec', sandbox, 'sh', '-c', 'echo "$HOME"'], {
      env,
    });
    expect({ stdout, stderr, exitCode }).toEqual({ stdout: '/root\n', stderr: '', exitCode: 0 });
  });

  it('works in a session of its own, with no controlling terminal', async () => {
    const script = 'setsid -w sbx exec --stream "$1" sh -c "cat; exit 3" <<< input';
    expect(await runShell(home, script, [sandbox])).toEqual({ stdout: 'input\n', stderr: '', exitCode: 3 });
  });

  it('works in a directory that has been removed', async () => {
    const script = 'cd "$(mktemp -d)" && rmdir "$PWD" && sbx exec "$1" pwd';
    // The shell that starts there has words of its own about it.
    expect(await runShell(home, script, [sandbox])).toMatchObject({ stdout: '/workspace\n', exitCode: 0 });
  });

  it('works with all signals of a terminal ignored', async () => {
    const script =
      'trap "" INT QUIT HUP TERM PIPE TSTP TTIN TTOU; sbx exec "$1" sh -c "kill -TERM \\$\\$; echo no"';
    const { exitCode } = await runShell(home, script, [sandbox]);
    expect(exitCode).toBe(143);
  });
});

async function listSandboxes(): Promise<string[]> {
  const { stdout } = await home.run(['ls', '-q']);
  return (stdout as unknown as string).trim().split('\n');
}
