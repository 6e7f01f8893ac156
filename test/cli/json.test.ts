import { describe, expect, it } from 'vitest';
import { openHome, useHome } from '../support/home.ts';
import { findSchemaErrors, parseLine, type Form } from '../support/json-schema.ts';
import { runShell } from '../support/shell.ts';

const home = useHome();

/** Runs `sbx`, which says nothing on stderr, and gives what it printed. */
async function run(args: readonly string[], form: Form) {
  const { stdout, stderr, exitCode } = await home.run(args);
  expect(stderr).toBe('');
  return { value: parseLine(stdout, form), exitCode };
}

describe('--json', () => {
  it('of sbx ls is all that is known of each sandbox', async () => {
    expect(await run(['ls', '--json'], 'sandboxes')).toEqual({
      value: { schema: 1, sandboxes: [] },
      exitCode: 0,
    });
    await home.createSandbox('--label', 'job=é', '--ttl', '1h', 'one');
    await home.createSandbox('two');
    const { value } = await run(['ls', '-q', '--json'], 'sandboxes');
    expect(value['sandboxes']).toMatchObject([
      { name: 'one', labels: { job: 'é' } },
      { name: 'two', expires: null },
    ]);
  });

  it('of sbx inspect is the object that it prints anyway', async () => {
    await home.createSandbox('three');
    const plain = await home.run(['inspect', 'three']);
    const { stdout, exitCode } = await home.run(['inspect', '--json', 'three']);
    expect({ stdout, exitCode }).toEqual({ stdout: plain.stdout, exitCode: 0 });
    expect(findSchemaErrors('sandbox', JSON.parse(String(stdout)))).toEqual([]);
  });

  it('of sbx version has the version and the protocol', async () => {
    const { value } = await run(['version', '--json'], 'version');
    const { stdout } = await home.run(['version']);
    expect(stdout).toBe(`sbx ${String(value['version'])}, protocol ${String(value['protocol'])}\n`);
    expect((await run(['--version', '--json'], 'version')).value).toEqual(value);
  });

  it('of sbx doctor has each finding', async () => {
    const { value, exitCode } = await run(['doctor', '--json'], 'doctor');
    expect({ canRun: value['can_run'], exitCode }).toEqual({ canRun: true, exitCode: 0 });
    const subjects = value.findings.map(({ subject }) => subject);
    expect(subjects).toEqual(expect.arrayContaining(['runtime', 'init', 'daemon', 'state', 'Node']));
  });

  it('of sbx doctor says why nothing works', async () => {
    const env = { ...home.env, SBX_RUNTIME: '/none/such-runtime' };
    const { stdout, exitCode } = await home.run(['doctor', '--json'], { env });
    expect(exitCode).toBe(125);
    const value = parseLine(stdout, 'doctor');
    expect(value).toMatchObject({ can_run: false, runtime: null });
    expect(value.findings).toContainEqual(expect.objectContaining({ level: 'problem', subject: 'runtime' }));
  });

  it('of sbx daemon status says what runs', async () => {
    await home.run(['ls']);
    const { value, exitCode } = await run(['daemon', 'status', '--json'], 'daemon');
    expect(exitCode).toBe(0);
    expect(value).toMatchObject({ running: true, execs: 0 });
    expect(process.kill(value.pid, 0)).toBe(true);
  });

  it('of sbx daemon status says that nothing does', async () => {
    const other = await openHome();
    const { stdout, exitCode } = await other.run(['daemon', 'status', '--json']);
    expect({ value: parseLine(stdout, 'daemon'), exitCode }).toEqual({
      value: { schema: 1, running: false },
      exitCode: 1,
    });
    await other.close();
  });
});

describe('an error where --json is among the words', () => {
  it.each([
    { args: ['ls', '--json', '--nonsense'], code: 'usage', names: '--nonsense' },
    { args: ['ls', '--nonsense', '--json'], code: 'usage', names: '--nonsense' },
    { args: ['frobnicate', '--json'], code: 'usage', names: '"frobnicate"' },
    { args: ['--json'], code: 'usage', names: '"--json"' },
    { args: ['rm', '--json', 'web'], code: 'usage', names: '--json' },
    { args: ['version', '--json=yes'], code: 'usage', names: '--json' },
    { args: ['daemon', 'frobnicate', '--json'], code: 'usage', names: '"frobnicate"' },
    { args: ['inspect', 'none-such', '--json'], code: 'sandbox_not_found', names: '"none-such"' },
  ])('is an object on stdout: sbx $args', async ({ args, code, names }) => {
    const { value, exitCode } = await run(args, 'failure');
    expect({ code: value.error.code, exitCode }).toEqual({ code, exitCode: 125 });
    expect(value.error.message).toContain(names);
  });

  it('is the words of people where they are behind --, or those of another program', async () => {
    for (const args of [
      ['ls', '--nonsense', '--', '--json'],
      ['rsh', 'none-such', 'ls', '--json'],
    ]) {
      const { stdout, stderr, exitCode } = await home.run(args);
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
      expect(stderr).toMatch(/^sbx: .+\nsbx: hint: .+\n$/);
    }
  });

  it('goes to stderr where stdout cannot be written', async () => {
    const script = 'sbx ls --json --nonsense >/dev/full; echo "$?"; sbx version --json >&-; echo "$?"';
    const { stdout, stderr } = await runShell(home, script);
    expect(stdout).toBe('125\n125\n');
    expect(stderr).toMatch(
      /^sbx: .*--nonsense.*\nsbx: hint: .+\nsbx: Cannot write to stdout: .+\nsbx: .+\n$/,
    );
  });
});
