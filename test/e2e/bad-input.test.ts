import { readFileSync, existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findDaemons } from '../support/daemons.ts';
import { findGuests, makeMark } from '../support/guests.ts';
import { CALLER, makeDirectory } from '../support/caller.ts';
import { findLeftovers, openHome, useHome, useSandbox, type Home } from '../support/home.ts';
import { runShell } from '../support/shell.ts';
import { unmount } from '../support/unmount.ts';

const home = useHome();
const sandbox = useSandbox(home, 'web');
/** A directory for files of the caller. */
let directory: string;

/** For hundreds of commands on a busy machine; it only ends what hangs. */
const LONG_MS = 300_000;

beforeAll(async () => {
  directory = await makeDirectory('sbx-test-files-');
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

interface Expected {
  readonly message: string;
  readonly hint?: string;
}

/** The form of every error: what is wrong, a hint, status 125, and not a word on stdout. */
async function expectError(
  args: readonly string[],
  { message, hint = '' }: Expected,
  from = home,
): Promise<void> {
  const { stdout, stderr, exitCode } = await from.run(args);
  expect({ stdout, stderr, exitCode }).toEqual({
    stdout: '',
    stderr: expect.stringMatching(/^sbx: .+\nsbx: hint: .+\n$/) as string,
    exitCode: 125,
  });
  const [first, second] = (stderr as unknown as string).split('\n');
  expect(first).toContain(message);
  expect(second).toContain(hint);
}

async function listSandboxes(): Promise<string> {
  const { stdout } = await home.run(['ls', '-q']);
  return stdout as unknown as string;
}

describe('a command line', () => {
  it.each([
    { args: ['exec', '--nonsense', 'web', 'true'], message: '--nonsense', hint: 'sbx exec --help' },
    { args: ['exec', '-nz', 'web', 'true'], message: '-z', hint: 'sbx exec --help' },
    { args: ['exec', '--stream=yes', 'web', 'true'], message: '--stream', hint: 'sbx' },
    { args: ['create', '--nonsense'], message: '--nonsense', hint: 'sbx create --help' },
    { args: ['ls', '--nonsense'], message: '--nonsense', hint: 'sbx ls --help' },
    { args: ['--nonsense'], message: '--nonsense', hint: 'sbx --help' },
  ])('with an unknown option is refused: sbx $args', async ({ args, message, hint }) => {
    await expectError(args, { message, hint });
  });

  it.each([
    { args: ['frobnicate'], message: '"frobnicate"' },
    { args: [''], message: '""' },
    { args: ['Exec', 'web', 'true'], message: '"Exec"' },
    { args: ['constructor'], message: '"constructor"' },
    { args: ['daemon', 'frobnicate'], message: '"frobnicate"' },
    { args: ['daemon', 'toString'], message: '"toString"' },
  ])('with an unknown command is refused: sbx $args', async ({ args, message }) => {
    await expectError(args, { message, hint: 'sbx ' });
  });

  it.each([
    ['exec', '--timeout'],
    ['exec', '-w'],
    ['exec', 'web', '--env-file'],
    ['create', '--ttl'],
    ['create', '--label'],
  ])('without the value of an option is refused: sbx %s %s', async (...args) => {
    const words = args.filter((word) => typeof word === 'string');
    await expectError(words, { message: words.at(-1) as string, hint: 'sbx ' });
  });

  it.each([
    { args: ['exec'], message: 'No command', hint: 'sbx exec -- COMMAND' },
    { args: ['exec', '--'], message: 'No command', hint: 'sbx exec -- COMMAND' },
    { args: ['exec', 'web'], message: 'No command', hint: 'sbx exec -- web' },
    { args: ['exec', 'web', '--'], message: 'No command', hint: 'sbx exec -- web' },
    { args: ['rm'], message: 'argument', hint: 'sbx rm --help' },
    { args: ['inspect'], message: 'argument', hint: 'sbx inspect --help' },
    { args: ['inspect', 'web', 'more'], message: 'argument', hint: 'sbx inspect --help' },
    { args: ['create', 'one', 'two'], message: 'argument', hint: 'sbx create --help' },
    { args: ['ls', 'web'], message: 'argument', hint: 'sbx ls --help' },
  ])('with too little or too much is refused: sbx $args', async ({ args, message, hint }) => {
    await expectError(args, { message, hint });
  });

  it.each(['10', '5 s', '-1s', '1e3s', 's', '', 'soon', '99999d'])(
    'with %j for a duration is refused',
    async (text) => {
      for (const option of ['--timeout', '--kill-after']) {
        await expectError(['exec', `${option}=${text}`, 'web', 'true'], {
          message: `"${text}"`,
          hint: 'Durations look like',
        });
      }
      await expectError(['create', `--ttl=${text}`], { message: `"${text}"`, hint: 'Durations look like' });
      expect(await listSandboxes()).toBe('web\n');
    },
  );

  it.each(['bridge', 'HOST', ''])('with %j for a network is refused', async (mode) => {
    await expectError(['create', '--network', mode], { message: `'${mode}'`, hint: 'sbx create --help' });
    await expectError(['exec', '--network', mode, '--', 'true'], {
      message: `'${mode}'`,
      hint: 'sbx exec --help',
    });
    expect(await listSandboxes()).toBe('web\n');
  });
});

describe('what is not there', () => {
  it.each([
    ['exec', 'none-such', 'true'],
    ['exec', '--stream', 'none-such', 'true'],
    ['inspect', 'none-such'],
    ['rm', 'none-such'],
  ])('is named: sbx %s %s', async (...args) => {
    const words = args.filter((word) => typeof word === 'string');
    await expectError(words, { message: 'There is no sandbox "none-such"', hint: 'sbx ls' });
  });

  it.each(['../web', 'a/b', 'web?x', '%2e%2e', 'wéb', 'a b'])(
    'is named as it was written: %s',
    async (name) => {
      await expectError(['inspect', name], { message: `There is no sandbox "${name}"`, hint: 'sbx ls' });
    },
  );

  it('keeps no stdin waiting', async () => {
    const script = 'yes | sbx exec --stream none-such cat; echo "${PIPESTATUS[@]}"';
    expect(await runShell(home, script)).toMatchObject({ stdout: '141 125\n' });
  });
});

describe('environment', () => {
  it.each([
    { what: 'a file that is not there', path: 'none-such', reason: 'ENOENT' },
    { what: 'a directory', path: '.', reason: 'EISDIR' },
  ])('from $what is refused', async ({ path, reason }) => {
    const file = join(directory, path);
    await expectError(['exec', '--env-file', file, 'web', 'true'], {
      message: `Cannot read ${file}: ${reason}`,
      hint: 'path',
    });
  });

  it('that is not set here cannot be copied', async () => {
    await expectError(['exec', '-e', 'SBX_TEST_UNSET', 'web', 'true'], {
      message: 'SBX_TEST_UNSET',
      hint: '-e NAME=VALUE',
    });
  });

  it.each(['=value', ''])('without a name is refused: -e %j', async (text) => {
    await expectError(['exec', '-e', text, 'web', 'true'], { message: `"${text}"`, hint: 'NAME=VALUE' });
  });

  it('from a file with a line that names nothing is refused', async () => {
    const file = join(directory, 'bad.env');
    await writeFile(file, 'GOOD=1\n=bad\n');
    await expectError(['exec', '--env-file', file, 'web', 'true'], { message: '"=bad"', hint: 'NAME=VALUE' });
  });
});

describe('a runtime that is missing', () => {
  let cold: Home;

  beforeEach(async () => {
    cold = await openHome();
  });
  afterEach(() => cold.close());

  it.each([['--runtime', '/nonexistent/runtime'], ['--runtime=none-such']])(
    'is named: %s',
    async (...flags) => {
      const words = flags.filter((word) => typeof word === 'string');
      const name = (words.at(-1) as string).replace('--runtime=', '');
      await expectError(['create', ...words], { message: name, hint: 'sbx doctor' }, cold);
      await expectError(['exec', ...words, '--', 'true'], { message: name, hint: 'sbx doctor' }, cold);
      expect(findDaemons(cold.stateDir)).toEqual([]);
      expect(findLeftovers(cold.stateDir)).toEqual([]);
    },
  );

  it('is named where it is not executable', async () => {
    const path = join(directory, 'runtime');
    await writeFile(path, 'no program');
    await expectError(['exec', '--runtime', path, '--', 'true'], { message: path, hint: 'sbx doctor' }, cold);
    await chmod(path, 0o755);
    await expectError(['exec', '--runtime', path, '--', 'true'], { message: path, hint: 'sbx doctor' }, cold);
    expect(findLeftovers(cold.stateDir)).toEqual([]);
  });

  it('is named where it always fails', async () => {
    await expectError(
      ['exec', '--runtime', '/bin/false', '--', 'true'],
      { message: '/bin/false', hint: 'sbx doctor' },
      cold,
    );
    expect(findLeftovers(cold.stateDir)).toEqual([]);
  });

  it('is named where the environment asks for it', async () => {
    const env = { ...cold.env, SBX_RUNTIME: '/nonexistent/runtime' };
    const { stderr, exitCode } = await cold.run(['create'], { env });
    expect(exitCode).toBe(125);
    expect(stderr).toContain('/nonexistent/runtime');
  });

  it('leaves the daemon of a working one in peace', async () => {
    const args = ['exec', '--runtime', '/nonexistent/runtime', 'web', 'true'];
    await expectError(args, { message: '/nonexistent/runtime' });
    expect(await home.run(['exec', 'web', 'echo', 'hi'])).toMatchObject({ stdout: 'hi\n', exitCode: 0 });
  });
});

describe('a state directory that cannot be used', () => {
  it.each([
    { what: 'a file', prepare: (path: string) => writeFile(path, 'a file') },
    { what: 'below a file', prepare: (path: string) => writeFile(path, 'a file'), below: '/state' },
    { what: 'with a space', prepare: (path: string) => mkdir(path, { mode: 0o700 }), below: '/of mine' },
    { what: 'of the kernel', prepare: () => Promise.resolve(), instead: '/proc/sbx-state' },
  ])('is named: $what', async ({ prepare, below = '', instead }) => {
    const path = join(directory, 'state');
    await prepare(path);
    const stateDir = instead ?? `${path}${below}`;
    for (const args of [['ls'], ['exec', '--', 'true']]) {
      const { stdout, stderr, exitCode } = await home.run(args, {
        env: { ...home.env, SBX_STATE_DIR: stateDir },
      });
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
      expect(stderr).toMatch(/^sbx: .+\nsbx: hint: .+\n$/);
      expect(stderr).toContain(stateDir);
    }
    expect(findDaemons(stateDir)).toEqual([]);
    await rm(path, { recursive: true, force: true });
  });
});

describe('a full disk under the state directory', () => {
  let stateDir: string;
  const run = (...args: string[]) =>
    home.run(args, { env: { ...home.env, SBX_STATE_DIR: stateDir, TMPDIR: stateDir } });

  beforeEach(async () => {
    stateDir = await makeDirectory('sbx-test-full-');
    await execa('mount', [
      '-t',
      'tmpfs',
      '-o',
      `size=24m,mode=0700,uid=${CALLER.uid},gid=${CALLER.gid}`,
      'tmpfs',
      stateDir,
    ]);
  });
  afterEach(async () => {
    await run('daemon', 'stop');
    expect(findDaemons(stateDir)).toEqual([]);
    await unmount(stateDir);
    await rmdir(stateDir);
  });

  const fill = () => execa('dd', ['if=/dev/zero', `of=${stateDir}/filling`, 'bs=64k'], { reject: false });
  const isFull = {
    stdout: '',
    stderr: expect.stringMatching(
      /^sbx: .*(disk|space).*\nsbx: hint: Make room under the state directory.*\n$/i,
    ) as string,
    exitCode: 125,
  };

  it('is said when the daemon cannot start', async () => {
    await fill();
    expect(await run('create')).toMatchObject(isFull);
    expect(await run('exec', '--', 'true')).toMatchObject(isFull);
    expect(findDaemons(stateDir)).toEqual([]);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(`${stateDir}/`);
  });

  it('is said when a sandbox cannot be made, and nothing of it is left', async () => {
    expect(await run('ls', '-q')).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    await fill();
    expect(await run('create', 'box')).toMatchObject(isFull);
    expect(await run('exec', '--', 'true')).toMatchObject(isFull);
    expect(await run('ls', '-q')).toMatchObject({ stdout: '', exitCode: 0 });
    expect(await readdir(join(stateDir, 'sandboxes'))).toEqual([]);
    await rm(join(stateDir, 'filling'));
    expect(await run('create', 'box')).toMatchObject({ stdout: 'box\n', exitCode: 0 });
    expect(await run('rm', 'box')).toMatchObject({ exitCode: 0 });
  });

  it('is said when a command cannot be started, and it is not; with room it is', async () => {
    expect(await run('create', 'box')).toMatchObject({ stdout: 'box\n', exitCode: 0 });
    await fill();
    const mark = makeMark();
    expect(await run('exec', 'box', 'sh', '-c', `touch /dev/shm/begun; : ${mark}`)).toMatchObject(isFull);
    expect(findGuests(mark)).toEqual([]);
    await rm(join(stateDir, 'filling'));
    expect(await run('exec', 'box', 'ls', '/dev/shm')).toMatchObject({ stdout: '', exitCode: 0 });
    await fill();
    expect(await run('rm', 'box')).toMatchObject({ stderr: '', exitCode: 0 });
    expect(await run('ls', '-q')).toMatchObject({ stdout: '' });
  });

  it('is said when buffered output does not fit, and the command is ended', async () => {
    expect(await run('create', 'box')).toMatchObject({ stdout: 'box\n', exitCode: 0 });
    const mark = makeMark();
    const env = { ...home.env, SBX_STATE_DIR: stateDir, TMPDIR: stateDir };
    // What did fit is printed: it is not wanted here.
    const { stderr, exitCode } = await home.run(['exec', 'box', 'yes', mark], { env, stdout: 'ignore' });
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(/^sbx: .*(disk|space).*\nsbx: hint: .+\n$/i);
    expect(findGuests(mark)).toEqual([]);
    expect(await run('rm', 'box')).toMatchObject({ exitCode: 0 });
  });
});

it('gives 200 commands at once each its own output and status', { timeout: LONG_MS }, async () => {
  const script = `for i in $(seq 200); do
      { out=$(sbx exec -e I=$i web sh -c 'seq $I | tail -n 1; exit $((I % 100))' 2>&1); echo "$i $out $?"; } &
    done; wait`;
  const { stdout, stderr } = await runShell(home, script);
  const lines = stdout
    .trim()
    .split('\n')
    .sort((a, b) => parseInt(a, 10) - parseInt(b, 10));
  const numbers = Array.from({ length: 200 }, (_, index) => index + 1);
  expect(stderr).toBe('');
  expect(lines).toEqual(numbers.map((i) => `${i} ${i} ${i % 100}`));
});

it('gives 24 commands in fresh sandboxes at once each its own, and leaves none', async () => {
  const script = `for i in $(seq 24); do
      { out=$(sbx exec -e I=$i -- sh -c 'echo $I; exit $I' 2>&1); echo "$i $out $?"; } &
    done; wait`;
  const { stdout } = await runShell(home, script);
  const lines = stdout
    .trim()
    .split('\n')
    .sort((a, b) => parseInt(a, 10) - parseInt(b, 10));
  expect(lines).toEqual(Array.from({ length: 24 }, (_, index) => `${index + 1} ${index + 1} ${index + 1}`));
  await expect.poll(listSandboxes, { timeout: 60_000 }).toBe('web\n');
});

it('leaves the sandbox as it was after all of this', async () => {
  expect(await listSandboxes()).toBe('web\n');
  expect(
    existsSync(join(home.stateDir, 'starting')) && (await readdir(join(home.stateDir, 'starting'))),
  ).toEqual([]);
  expect(await home.run(['exec', sandbox, 'sh', '-c', 'ls -A /workspace; pgrep -c .'])).toMatchObject({
    exitCode: 0,
  });
});
