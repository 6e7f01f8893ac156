import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openHome, useHome, useSandbox } from '../support/home.ts';
import { runShell } from '../support/shell.ts';

const home = useHome({ LC_TIME: 'C', LC_NAME: 'ä b', GIT_PROTOCOL: 'version=2', EMPTY: '' });
const sandbox = useSandbox(home);

const rsh = (...args: string[]) => home.run(['rsh', ...args]);

describe('sbx rsh', () => {
  it.each([
    { what: 'divides at spaces anew', words: ['printf', '"<%s>"', 'a b', 'c'], stdout: '<a><b><c>' },
    { what: 'takes quotes away', words: ['printf', '"<%s>"', `'a b'`, 'c'], stdout: '<a b><c>' },
    { what: 'expands variables', words: ['echo $((1 + 2))', '"$HOME"'], stdout: '3 /root\n' },
    { what: 'knows operators', words: ['echo', 'a', '|', 'tr', 'a', 'b;', 'echo', 'c'], stdout: 'b\nc\n' },
    { what: 'reads several lines', words: ['cat <<E\nhello\nE\necho end'], stdout: 'hello\nend\n' },
    { what: 'has no arguments', words: ['echo', '$0', '$#'], stdout: 'sh 0\n' },
  ])('gives its words, joined by spaces, to a shell, which $what', async ({ words, stdout }) => {
    expect(await rsh(sandbox, ...words)).toMatchObject({ stdout, stderr: '', exitCode: 0 });
  });

  it('means by its words what sh here means by them', async () => {
    const words = [
      'printf',
      '"%s\\n"',
      `"it's"`,
      '~',
      '\\$HOME',
      '{a,b}',
      '/no/*',
      '`echo $((2 + 3))`',
      '#',
      'x',
    ];
    const here = await runShell(home, 'HOME=/root exec sh -c "$1"', [words.join(' ')]);
    expect(here.stdout).toBe("it's\n/root\n$HOME\n{a,b}\n/no/*\n5\n");
    expect(await rsh(sandbox, ...words)).toMatchObject({ stdout: here.stdout, stderr: '', exitCode: 0 });
  });

  it('is exec --stream in all else: stdin, both streams, the status', async () => {
    const result = await home.run(['rsh', sandbox, 'cat; echo oops >&2; exit 7'], {
      stdin: 'pipe',
      input: 'x\0y',
    });
    expect(result).toMatchObject({ stdout: 'x\0y', stderr: 'oops\n', exitCode: 7 });
  });

  it('has 128+n for a command that died of a signal, and 127 for one that is not there', async () => {
    expect(await rsh(sandbox, 'kill -9 $$')).toMatchObject({ exitCode: 137 });
    expect(await rsh(sandbox, 'no-such-command')).toMatchObject({ exitCode: 127 });
  });

  it.each([
    { args: ['-l', 'nobody'], at: '' },
    { args: ['-lnobody'], at: '' },
    { args: [], at: 'nobody@' },
    { args: ['-l', 'nobody'], at: 'root@' },
  ])('runs as the user of $args $at', async ({ args, at }) => {
    expect(await rsh(...args, at + sandbox, 'id', '-un')).toMatchObject({ stdout: 'nobody\n', exitCode: 0 });
  });

  it('gives /dev/null with -n', async () => {
    const result = await home.run(['rsh', '-n', sandbox, 'cat'], { stdin: 'pipe', input: 'unread' });
    expect(result).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
  });

  it.each([
    {
      what: 'passes a variable that is set',
      options: ['SendEnv=GIT_PROTOCOL'],
      lines: ['GIT_PROTOCOL=version=2'],
    },
    { what: 'passes an empty one', options: ['SendEnv=EMPTY'], lines: ['EMPTY='] },
    { what: 'passes over one that is not set', options: ['SendEnv=NOT_SET'], lines: [] },
    {
      what: 'passes all that a pattern means',
      options: ['SendEnv=LC_*'],
      lines: ['LC_NAME=ä b', 'LC_TIME=C'],
    },
    { what: 'takes names back', options: ['SendEnv=LC_*', 'SendEnv=-LC_*'], lines: [] },
    { what: 'sets one', options: ['SetEnv LC_TIME=x'], lines: ['LC_TIME=x'] },
    { what: 'prefers what is set', options: ['SetEnv=EMPTY=x', 'SendEnv=EMPTY'], lines: ['EMPTY=x'] },
  ])('$what', async ({ options, lines }) => {
    const { stdout } = await rsh(...options.flatMap((option) => ['-o', option]), sandbox, 'env');
    const sent = (stdout as unknown as string)
      .split('\n')
      .filter((line) => /^(LC_|GIT_|EMPTY|NOT_SET)/.test(line));
    expect(sent.toSorted()).toEqual(lines);
  });
});

describe('a script that is too long for one argument', () => {
  // Far more than a pipe holds, and characters of 1 to 4 bytes, so that some lie where it is cut.
  const words = Array.from({ length: 60_000 }, (_, i) => ['a', 'ä', '€', '😀'][i % 4]!.repeat(1 + (i % 7)));

  it('runs whole', async () => {
    const { stdout, stderr, exitCode } = await rsh(sandbox, "printf '%s\\n'", ...words);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(stdout).toBe(words.join('\n') + '\n');
  });

  it('has no arguments, no variables and the status of its own', async () => {
    const end = '; echo "$0 $#"; set; exit 7';
    const { stdout, exitCode } = await rsh(sandbox, ':', ...words, end);
    const short = await rsh(sandbox, ':', end);
    expect(stdout).toBe(short.stdout);
    expect(exitCode).toBe(7);
  });

  it('leaves stdin to the command, and no file in the sandbox', async () => {
    const find = ['exec', sandbox, 'find', '/tmp', '/workspace', '/root', '/var', '/dev/shm'];
    const before = await home.run(find);
    const result = await home.run(['rsh', sandbox, ':', ...words, '; cat'], { stdin: 'pipe', input: 'mine' });
    expect(result).toMatchObject({ stdout: 'mine', stderr: '', exitCode: 0 });
    expect((await home.run(find)).stdout).toBe(before.stdout);
  });
});

describe('the question whether sbx rsh is ssh', () => {
  it('is answered with nothing and 0, and starts nothing', async () => {
    const cold = await openHome();
    const result = await cold.run(['rsh', '-G', '-o', 'SendEnv=GIT_PROTOCOL', 'u@web']);
    expect(result).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    expect(readdirSync(cold.stateDir)).toEqual([]);
    await cold.close();
  });
});

describe('bad input of sbx rsh', () => {
  it.each([
    { what: 'no sandbox', args: [], names: 'No sandbox is named' },
    { what: 'no command', args: ['web'], names: 'sbx exec --stream web -- sh' },
    { what: 'an empty command', args: ['web', ''], names: 'sbx exec --stream web -- sh' },
    { what: 'an option that cannot be honoured', args: ['-L', '1:b:2', 'web', 'ls'], names: '-L' },
    { what: 'a terminal', args: ['-t', 'web', 'ls'], names: 'no terminal' },
    { what: 'a setting that cannot be honoured', args: ['-oProxyJump=b', 'web', 'ls'], names: 'ProxyJump=b' },
    { what: 'an unknown option', args: ['-Z', 'web', 'ls'], names: '-Z' },
    { what: 'a setting that is none', args: ['-oSendEvn=A', 'web', 'ls'], names: 'SendEvn' },
  ])('$what is 125, said, and starts nothing', async ({ args, names }) => {
    const cold = await openHome();
    const { stdout, stderr, exitCode } = await cold.run(['rsh', ...args]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*\nsbx: hint: .*\n$/);
    expect(stderr).toContain(names);
    expect(readdirSync(cold.stateDir)).toEqual([]);
    await cold.close();
  });

  it('a sandbox that is not there is 125 and named', async () => {
    const { stdout, stderr, exitCode } = await rsh('no-such', 'ls');
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*"no-such".*\nsbx: hint: .*\n$/);
  });

  it('a user that is not there is 126 and named', async () => {
    const { stderr, exitCode } = await rsh('-l', 'no-such', sandbox, 'ls');
    expect(exitCode).toBe(126);
    expect(stderr).toContain('"no-such"');
  });

  it('words that are not UTF-8 are 125, and nothing runs', async () => {
    const { stdout, stderr, exitCode } = await runShell(home, `sbx rsh "$@" echo $'\\xff'`, [sandbox]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toContain('UTF-8');
  });
});

it('sbx rsh --help prints how it is used', async () => {
  const { stdout, exitCode } = await rsh('--help');
  expect(stdout).toMatch(/^Usage: .*rsh \[options\] \[USER@\]SANDBOX WORD\.\.\.\n/);
  expect(exitCode).toBe(0);
});
