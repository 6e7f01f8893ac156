import { beforeAll, describe, expect, it } from 'vitest';
import { findExecs } from '../support/api.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES } from '../support/shell.ts';
import { runTimed } from '../support/timed.ts';

const home = useHome();
const sandbox = useSandbox(home);

beforeAll(async () => {
  const { stderr, exitCode } = await home.run(['exec', sandbox, 'sh', '-c', PREPARE]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
});

/** Files that are there and cannot be executed. */
const PREPARE = `
cd /opt
echo 'echo ran' >no-mode
echo 'echo ran' >no-format; chmod +x no-format
printf '#!/no/such/interpreter\\n' >no-interpreter; chmod +x no-interpreter
mkdir directory
python3 -c 'elf = bytearray(open("/usr/bin/true", "rb").read()); elf[18:20] = b"\\xfe\\xca"; open("foreign", "wb").write(elf)'
chmod +x foreign
`;

describe.each(MODES)('the status of a command, $mode', ({ flags }) => {
  it.each([0, 1, 42, 124, 125, 126, 127, 128, 255])('is its own code %i', async (code) => {
    const script = `echo out; echo err >&2; exit ${code}`;
    const result = await home.run(['exec', ...flags, sandbox, 'sh', '-c', script]);
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: code });
  });

  it.each([
    ['HUP', 129],
    ['INT', 130],
    ['SEGV', 139],
    ['PIPE', 141],
    ['TERM', 143],
    ['40', 168],
  ])('is 128+n where it died of signal %s', async (signal, status) => {
    const result = await home.run([
      'exec',
      ...flags,
      sandbox,
      'bash',
      '-c',
      `echo out; kill -s ${signal} $$`,
    ]);
    expect(result).toMatchObject({ stdout: 'out\n', stderr: '', exitCode: status });
  });

  it('is 137 for `exit 137` and for KILL, and the record tells them apart', async () => {
    const mark = `mark-137-${flags.length}`;
    const exits = await home.run(['exec', ...flags, sandbox, 'sh', '-c', `exit 137 # ${mark} exits`]);
    const dies = await home.run(['exec', ...flags, sandbox, 'sh', '-c', `kill -9 $$ # ${mark} dies`]);
    expect([exits.exitCode, dies.exitCode]).toEqual([137, 137]);
    expect(await findExecs(home, mark)).toMatchObject([
      { state: 'exited', exit: { code: 137 }, reason: 'exited' },
      { state: 'exited', exit: { signal: 'KILL' }, reason: 'exited' },
    ]);
  });

  it.each([
    {
      what: 'a name that is not in PATH',
      argv: ['no-such-command'],
      status: 127,
      named: '"no-such-command"',
    },
    { what: 'a path that is not there', argv: ['/opt/missing'], status: 127, named: '"/opt/missing"' },
    { what: 'an empty name', argv: [''], status: 127, named: '""' },
    {
      what: 'a file without execute permission',
      argv: ['/opt/no-mode'],
      status: 126,
      named: '"/opt/no-mode"',
    },
    { what: 'a directory', argv: ['/opt/directory'], status: 126, named: '"/opt/directory"' },
    { what: 'a text without #!', argv: ['/opt/no-format'], status: 126, named: '"/opt/no-format"' },
    { what: 'a program of another machine', argv: ['/opt/foreign'], status: 126, named: '"/opt/foreign"' },
    {
      what: 'a script whose interpreter is missing',
      argv: ['/opt/no-interpreter'],
      status: 126,
      named: '"/opt/no-interpreter"',
    },
  ])('is $status for $what, and nothing is on stdout', async ({ argv, status, named }) => {
    const { stdout, stderr, exitCode } = await home.run(['exec', ...flags, sandbox, '--', ...argv]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: status });
    expect(stderr).toMatch(/^sbx: Cannot run .*\nsbx: .*\n$/);
    expect(stderr).toContain(named);
  });

  it.each([
    { option: '-w', value: '/no/such/directory' },
    { option: '-w', value: '/etc/passwd' },
    { option: '-w', value: 'relative/and/missing' },
    { option: '-u', value: 'nobody-of-this-name' },
    { option: '-u', value: 'root:no-such-group', named: '"no-such-group"' },
  ])(
    'is 126 for $option $value, and nothing is on stdout',
    async ({ option, value, named = `"${value}"` }) => {
      const result = await home.run(['exec', ...flags, option, value, sandbox, 'echo', 'ran']);
      expect(result).toMatchObject({ stdout: '', exitCode: 126 });
      expect(result.stderr).toMatch(/^sbx: Cannot .*\nsbx: .*\n$/);
      expect(result.stderr).toContain(named);
    },
  );

  it('records a command that did not start as failed, without an exit', async () => {
    const mark = `/opt/mark-failed-${flags.length}`;
    await home.run(['exec', ...flags, sandbox, mark]);
    expect(await findExecs(home, mark)).toMatchObject([
      { state: 'failed', exit: null, reason: 'start_failed', error: { code: 'command_not_found' } },
    ]);
  });
});

describe.each(MODES)('--timeout, $mode', ({ flags }) => {
  const run = (script: string, ...options: string[]) =>
    home.run(['exec', ...flags, ...options, sandbox, 'sh', '-c', script]);
  /** The last words of the script are the mark of the run. */
  const time = (toScript: (begun: string) => string, ...options: string[]) =>
    runTimed({ home, sandbox }, ({ timeout, mark, begun }) =>
      run(`${toScript(begun)} # ${mark}`, '--timeout', timeout, ...options),
    );

  it('is 124, with what was printed before', async () => {
    const { result, mark } = await time((begun) => `echo out; echo err >&2; ${begun}; sleep 1000`);
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 124 });
    expect(await findExecs(home, mark)).toMatchObject([{ exit: { signal: 'TERM' }, reason: 'timeout' }]);
  });

  it('is 124 for a child that ignores TERM, which is killed', async () => {
    const { result, mark } = await time(
      (begun) => `trap '' TERM; echo out; ${begun}; while :; do sleep 1; done`,
      '--kill-after',
      '300ms',
    );
    expect(result).toMatchObject({ stdout: 'out\n', stderr: '', exitCode: 124 });
    expect(await findExecs(home, mark)).toMatchObject([{ exit: { signal: 'KILL' }, reason: 'timeout' }]);
  });

  it('is 124 for a child that takes TERM and exits 0', async () => {
    const { result, mark } = await time(
      (begun) => `trap 'echo bye; exit 0' TERM; echo out; ${begun}; while :; do sleep 0.1; done`,
    );
    expect(result).toMatchObject({ stdout: 'out\nbye\n', exitCode: 124 });
    expect(await findExecs(home, mark)).toMatchObject([{ exit: { code: 0 }, reason: 'timeout' }]);
  });

  it('leaves alone a child that has ended before', async () => {
    const mark = `mark-before-${flags.length}`;
    expect(await run(`exit 9 # ${mark}`, '--timeout', '5m')).toMatchObject({ exitCode: 9 });
    expect(await findExecs(home, mark)).toMatchObject([{ exit: { code: 9 }, reason: 'exited' }]);
  });
});

describe('a fresh sandbox', () => {
  it.each(MODES)('gives the status of its command and is removed, $mode', async ({ flags }) => {
    const result = await home.run(['exec', ...flags, '--', 'sh', '-c', 'echo out; exit 42']);
    expect(result).toMatchObject({ stdout: 'out\n', stderr: '', exitCode: 42 });
    const { stdout } = await home.run(['ls', '-q']);
    expect(stdout).toBe(`${sandbox}\n`);
  });

  it.each(MODES)('is removed where the command does not start, $mode', async ({ flags }) => {
    const result = await home.run(['exec', ...flags, '--', '/no/such/command']);
    expect(result).toMatchObject({ stdout: '', exitCode: 127 });
    const { stdout } = await home.run(['ls', '-q']);
    expect(stdout).toBe(`${sandbox}\n`);
  });
});
