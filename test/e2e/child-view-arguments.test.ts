import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { followExec } from '../support/api.ts';
import { makeDirectory } from '../support/caller.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { runShell } from '../support/shell.ts';

const PRINT_ARGV = 'import json, os, sys; print(json.dumps([os.fsencode(a).decode() for a in sys.argv[1:]]))';
const PRINT_ENV = 'import json, os; print(json.dumps(dict(os.environ)))';
const OWN_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  USER: 'root',
  LOGNAME: 'root',
  SHELL: expect.stringMatching(/^\/\S+$/),
  LANG: 'C.UTF-8',
};

const home = useHome({ CALLERS_OWN: 'secret', LC_ALL: 'C', NODE_OPTIONS: '', COPIED: 'a \'b\' "c"\n=d' });
const sandbox = useSandbox(home);
let directory: string;

beforeAll(async () => {
  directory = await makeDirectory('arguments-');
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function readArgv(args: readonly string[]): Promise<unknown> {
  const { stdout } = await home.run(['exec', sandbox, 'python3', '-c', PRINT_ARGV, ...args]);
  return JSON.parse(stdout as unknown as string);
}

async function readEnv(options: readonly string[]): Promise<unknown> {
  const { stdout, stderr, exitCode } = await home.run([
    'exec',
    ...options,
    sandbox,
    'python3',
    '-c',
    PRINT_ENV,
  ]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return JSON.parse(stdout as unknown as string);
}

describe('argv', () => {
  it.each([
    {
      what: 'spaces and quotes',
      args: ['a b', '  ', `'`, '"', `it's "so"`, '\\', '$HOME', '`id`', '*', ';', '&&'],
    },
    { what: 'newlines, tabs and control characters', args: ['a\nb', '\n', '\t', '\r\n', '\u0001\u007f'] },
    { what: 'options and --', args: ['--', '--stream', '-n', '-', '--', '-e', 'K=V', '--help'] },
    {
      what: 'options that Node would take',
      args: ['--env-file', '/no/file', '--inspect', '--require=/no/file'],
    },
    { what: 'empty strings', args: ['', '', 'x', ''] },
    { what: 'UTF-8', args: ['ä€😀', '\ufffd', '\ufeff', '\u2028', 'e\u0301'] },
  ])('passes verbatim: $what', async ({ args }) => {
    expect(await readArgv(args)).toEqual(args);
  });

  it('passes a -- that comes first after that of sbx', async () => {
    const { stdout } = await home.run(['exec', sandbox, '--', 'python3', '-c', PRINT_ARGV, '--', 'x']);
    expect(JSON.parse(stdout as unknown as string)).toEqual(['--', 'x']);
  });

  it('is no shell string: a command with a space in its name is not there', async () => {
    const { stdout, stderr, exitCode } = await home.run(['exec', sandbox, 'echo hi']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 127 });
    expect(stderr).toContain('"echo hi"');
  });

  it('may be 1 MiB in many arguments', async () => {
    const args = Array.from({ length: 8192 }, (_, i) => `${i}-`.padEnd(128, 'x'));
    expect(await readArgv(args)).toEqual(args);
  });

  it('may have one argument of just below 128 KiB', async () => {
    const longest = 'x'.repeat(128 * 1024 - 1);
    expect(await readArgv([longest])).toEqual([longest]);
  });

  it('with one argument of 128 KiB is 126 and named', async () => {
    // Linux would not start sbx itself with it: only a program that speaks to the server can ask for this.
    const start = { sandbox, argv: ['echo', 'x'.repeat(128 * 1024)] };
    const last = (await followExec(home, start)).at(-1);
    expect(last?.event).toBe('error');
    expect(JSON.parse(last?.data ?? '')).toMatchObject({
      error: { code: 'argument_too_long', message: expect.stringContaining('argument 1 of "echo"') },
    });
  });

  it('that is not UTF-8 is 125 and said, and nothing runs', async () => {
    const script = 'sbx exec "$@" touch $\'/tmp/bad-\\xff\'';
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*not valid UTF-8.*\nsbx: .*\n$/);
    expect((await home.run(['exec', sandbox, 'sh', '-c', 'ls /tmp'])).stdout).toBe('');
  });
});

describe('the environment', () => {
  it("is its own, with nothing of the caller's", async () => {
    expect(await readEnv([])).toEqual({ ...OWN_ENV, HOSTNAME: sandbox });
  });

  it.each([
    { what: 'newlines and =', name: 'TEXT', value: 'a=b\n\nc==d\n' },
    { what: 'nothing', name: 'EMPTY', value: '' },
    { what: 'UTF-8', name: 'ÄÖ', value: '€😀' },
    { what: 'quotes and spaces', name: 'QUOTED', value: ` 'a' "b" $HOME ` },
    { what: 'a name with a dot', name: 'a.b-c', value: 'x' },
    { what: 'a name that objects of JavaScript have', name: '__proto__', value: 'x' },
  ])('takes -e with $what', async ({ name, value }) => {
    const expected = Object.fromEntries([
      ...Object.entries({ ...OWN_ENV, HOSTNAME: sandbox }),
      [name, value],
    ]);
    expect(await readEnv(['-e', `${name}=${value}`])).toEqual(expected);
    expect(await readEnv([`--env=${name}=${value}`])).toEqual(expected);
  });

  it('takes the last of two values of one name, also in place of its own', async () => {
    expect(await readEnv(['-e', 'A=1', '-e', 'A=2', '-e', 'LANG=C'])).toMatchObject({ A: '2', LANG: 'C' });
  });

  it("takes the caller's value for a bare -e K", async () => {
    expect(await readEnv(['-e', 'COPIED'])).toMatchObject({ COPIED: 'a \'b\' "c"\n=d' });
  });

  it('is 125 for a bare -e K that is not set', async () => {
    const { stdout, stderr, exitCode } = await home.run(['exec', '-e', 'NOT_SET', sandbox, 'echo', 'ran']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*NOT_SET.*\nsbx: .*\n$/);
  });

  it('takes the lines of --env-file, and -e wins', async () => {
    const file = join(directory, 'variables');
    await writeFile(
      file,
      '# a comment\n\nONE=1\nTWO=a=b # c\r\nCOPIED\nQUOTED="x"\nOVERRIDDEN=file\nLAST=no newline',
    );
    expect(await readEnv(['--env-file', file, '-e', 'OVERRIDDEN=option'])).toEqual({
      ...OWN_ENV,
      HOSTNAME: sandbox,
      ONE: '1',
      TWO: 'a=b # c',
      COPIED: 'a \'b\' "c"\n=d',
      QUOTED: '"x"',
      OVERRIDDEN: 'option',
      LAST: 'no newline',
    });
  });

  it('is 125 for an --env-file that cannot be read', async () => {
    const { stdout, stderr, exitCode } = await home.run([
      'exec',
      '--env-file',
      '/no/file',
      sandbox,
      'echo',
      'ran',
    ]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*\/no\/file.*\nsbx: .*\n$/);
  });

  it('is 126 for a variable of 128 KiB, which is named', async () => {
    const file = join(directory, 'long');
    await writeFile(file, `LONG=${'x'.repeat(128 * 1024)}\n`);
    const { stdout, stderr, exitCode } = await home.run(['exec', '--env-file', file, sandbox, 'echo', 'ran']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 126 });
    expect(stderr).toMatch(/^sbx: .*LONG.*\nsbx: .*\n$/);
  });

  it.each([
    { what: 'a value in -e', script: `sbx exec -e K=$'\\xff' "$@" echo ran` },
    { what: 'a copied value', script: `export K=$'\\xff'; sbx exec -e K "$@" echo ran` },
    { what: 'a line of --env-file', script: `sbx exec --env-file <(printf 'K=\\xff\\n') "$@" echo ran` },
  ])('is 125 for $what that is not UTF-8: no byte is replaced in silence', async ({ script }) => {
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/UTF-8/);
  });
});
