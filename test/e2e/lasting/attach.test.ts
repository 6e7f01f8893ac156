import { describe, expect, it } from 'vitest';
import { findExecs } from '../../support/api.ts';
import { ByteReader } from '../../support/byte-reader.ts';
import { release, startDetachedShell, toWait } from '../../support/detached.ts';
import { findGuests, makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { parseLine } from '../../support/json-schema.ts';
import { runShell } from '../../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

const start = (...script: readonly [string, ...string[]]): Promise<string> =>
  startDetachedShell(home, sandbox, script);

/** Attaches, with streams that are read as they come. */
function attach(...args: string[]) {
  const child = home.start(['attach', ...args], { stdin: 'pipe' });
  return { child, stdout: new ByteReader(child.stdout), stderr: new ByteReader(child.stderr) };
}

const ECHO = 'while read -r line; do echo "got $line"; done; exit 6';

describe('who attaches first to an exec that nobody owns', () => {
  it('feeds its stdin, turn by turn, and ends with its status', async () => {
    const { child, stdout, stderr } = attach(await start(ECHO, '-i'));
    for (const line of ['one', 'two']) {
      child.stdin.write(`${line}\n`);
      expect(await stdout.line()).toBe(`got ${line}`);
    }
    child.stdin.end();
    expect(await child).toMatchObject({ exitCode: 6 });
    expect((await stderr.rest()).toString()).toBe('');
  });

  it('forwards signals to it', async () => {
    const id = await start(
      'exec 2>&-; trap "echo got TERM; exit 7" TERM; echo ready; while :; do sleep 0.05; done',
    );
    const { child, stdout } = attach('--from', 'start', id);
    expect(await stdout.line()).toBe('ready');
    child.kill('SIGTERM');
    expect(await stdout.line()).toBe('got TERM');
    expect(await child).toMatchObject({ exitCode: 7 });
  });

  it('may leave it without an end, and come back', async () => {
    const id = await start(ECHO, '-i');
    const first = attach(id);
    first.child.stdin.write('one\n');
    expect(await first.stdout.line()).toBe('got one');
    first.child.kill('SIGKILL');
    await first.child;
    const second = attach('--take', id);
    second.child.stdin.end('two\n');
    expect(await second.stdout.line()).toBe('got two');
    expect(await second.child).toMatchObject({ exitCode: 6 });
  });
});

describe('who attaches and cannot read its stdin', () => {
  it.each([{ flags: [] }, { flags: ['--json'] }])(
    'lets the exec go on, and says so: $flags',
    async ({ flags }) => {
      const id = await start(ECHO, '-i');
      const words = `sbx attach ${flags.join(' ')} "$1" </`;
      const { stdout, stderr, exitCode } = await runShell(home, words, [id]);
      expect(exitCode).toBe(125);
      expect(flags.length > 0 ? stdout : stderr).toContain(
        `The exec itself goes on. Attach again with: sbx attach ${id}`,
      );
      const { child, stdout: after } = attach(id);
      child.stdin.end('one\n');
      expect(await after.line()).toBe('got one');
      expect(await child).toMatchObject({ exitCode: 6 });
    },
  );
});

it('who waits or watches is told nothing of a client that has gone: it was not away', async () => {
  const mark = makeMark();
  const words = ['-n', '--reconnect-grace', '100ms', sandbox, '--', 'sh', '-c', `sleep 3600; : ${mark}`];
  const owner = home.start(['exec', ...words]);
  await waitUntil(() => findGuests(mark).length > 0);
  const [exec] = await findExecs(home, mark);
  const seen = attach('-n', exec!.id);
  const waiting = home.run(['wait', exec!.id]);
  // It does not tell when it has begun.
  await home.run(['ps']);
  owner.kill('SIGKILL');
  await owner;
  expect(await waiting).toMatchObject({ stdout: '', stderr: '', exitCode: 129 });
  expect((await seen.stderr.rest()).toString()).toBe('');
  await seen.stdout.rest();
  expect(await seen.child).toMatchObject({ exitCode: 129 });
});

describe('who attaches second', () => {
  it('watches, is told so once, and leaves stdin and signals to the first', async () => {
    const id = await start(ECHO, '-i');
    const first = attach(id);
    first.child.stdin.write('one\n');
    expect(await first.stdout.line()).toBe('got one');
    const second = attach('--from', 'start', id);
    expect(await second.stderr.line()).toBe(`sbx: watching: ${id} has an owner; --take takes it over`);
    expect(await second.stdout.line()).toBe('got one');
    second.child.stdin.write('not mine\n');
    second.child.kill('SIGTERM');
    expect(await second.child).toMatchObject({ exitCode: 143 });
    first.child.stdin.end('two\n');
    expect((await first.stdout.rest()).toString()).toBe('got two\n');
    expect(await first.child).toMatchObject({ exitCode: 6 });
  });

  it('takes it over with --take, and the first is told', async () => {
    const id = await start(ECHO, '-i');
    const first = attach(id);
    first.child.stdin.write('one\n');
    expect(await first.stdout.line()).toBe('got one');
    const second = attach('--take', id);
    second.child.stdin.write('two\n');
    expect(await second.stdout.line()).toBe('got two');
    expect(await first.stderr.line()).toMatch(/^sbx: another client has taken the exec over/);
    expect(await first.stdout.line()).toBe('got two');
    second.child.stdin.end();
    expect(await second.child).toMatchObject({ exitCode: 6 });
    expect(await first.child).toMatchObject({ exitCode: 6 });
  });

  it('may leave without the exec being hurt', async () => {
    const mark = makeMark();
    const id = await start(`while :; do echo y; test -e /tmp/${mark} && exit 3; sleep 0.01; done`);
    const first = attach('-n', id);
    expect(await first.stdout.line()).toBe('y');
    const line = 'sbx attach -n "$1" | head -n 1; echo "${PIPESTATUS[0]}"';
    expect(await runShell(home, line, [id])).toMatchObject({ stdout: 'y\n141\n', stderr: '' });
    await release(home, sandbox, mark);
    await first.stdout.rest();
    expect(await first.child).toMatchObject({ exitCode: 3 });
  });
});

it('watches an exec that somebody runs in the foreground', async () => {
  const mark = makeMark();
  const script = `${toWait(mark)}; echo hi; exit 5`;
  const running = home.run(['exec', sandbox, 'sh', '-c', script]);
  let id = '';
  await waitUntil(async () => {
    id = String((await home.run(['ps', '-q', sandbox])).stdout).trim();
    return id !== '';
  });
  const { child, stdout, stderr } = attach(id);
  expect(await stderr.line()).toContain('has an owner');
  await release(home, sandbox, mark);
  expect((await stdout.rest()).toString()).toBe('hi\n');
  expect(await child).toMatchObject({ exitCode: 5 });
  expect(await running).toMatchObject({ stdout: 'hi\n', stderr: '', exitCode: 5 });
});

describe('where an attached stream begins', () => {
  it('is now, the start, or a position', async () => {
    const mark = makeMark();
    const id = await start(`printf 12345; ${toWait(mark)}; printf 67890`);
    await waitUntil(async () => String((await home.run(['logs', id])).stdout) === '12345');
    const [now, whole, part] = ['now', 'start', '3'].map((from) => attach('-n', '--from', from, id));
    expect((await whole!.stdout.next()).toString()).toBe('12345');
    expect((await part!.stdout.next()).toString()).toBe('45');
    await release(home, sandbox, mark);
    expect((await whole!.stdout.rest()).toString()).toBe('67890');
    expect((await part!.stdout.rest()).toString()).toBe('67890');
    // It may have come before the first of these bytes was written, or after: never before it was asked for.
    expect('67890').toContain((await now!.stdout.rest()).toString());
    for (const { child } of [now!, whole!, part!]) expect(await child).toMatchObject({ exitCode: 0 });
  });

  it('is the end for an exec that ended long ago, unless more is asked for', async () => {
    const id = await start('echo hi; exit 4');
    await home.run(['wait', id]);
    expect(await home.run(['attach', id])).toMatchObject({ stdout: '', stderr: '', exitCode: 4 });
    const whole = await home.run(['attach', '--from', 'start', id]);
    expect(whole).toMatchObject({ stdout: 'hi\n', stderr: '', exitCode: 4 });
  });

  it('is nowhere beyond the end', async () => {
    const id = await start('echo hi');
    await home.run(['wait', id]);
    const { stdout, stderr, exitCode } = await home.run(['attach', '--from', '4', id]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*\nsbx: hint: .*--from now\n$/);
  });
});

describe('sbx wait', () => {
  it('tells the status of one that ended before, whoever ran it', async () => {
    await home.run(['exec', sandbox, 'sh', '-c', 'exit 42']);
    const { stdout } = await home.run(['ps', '--all', '--json', sandbox]);
    const { id } = parseLine(stdout, 'execs').execs.at(-1)!;
    expect(await home.run(['wait', id])).toMatchObject({ stdout: '', stderr: '', exitCode: 42 });
  });

  it('tells why one did not start', async () => {
    await home.run(['exec', sandbox, 'no-such-command']);
    const { stdout } = await home.run(['ps', '--all', '--json', sandbox]);
    const { id } = parseLine(stdout, 'execs').execs.at(-1)!;
    const { stderr, exitCode } = await home.run(['wait', id]);
    expect(exitCode).toBe(127);
    expect(stderr).toMatch(/^sbx: .*no-such-command/);
  });
});
