import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { makeDirectory } from '../support/caller.ts';
import { findDaemons } from '../support/daemons.ts';
import { openHome, useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell } from '../support/shell.ts';
import { unmount } from '../support/unmount.ts';

const home = useHome();
const sandbox = useSandbox(home);

describe.each(MODES)('with 64 descriptors, $mode', ({ flags }) => {
  it('a command runs, also one that carries much', async () => {
    const script = `ulimit -n 64; head -c 10000000 /dev/zero | sbx exec ${flags.join(' ')} ${sandbox} cat | wc -c`;
    expect(await runShell(home, script)).toEqual({ stdout: '10000000\n', stderr: '', exitCode: 0 });
  });
});

describe('a daemon with 64 descriptors', () => {
  it('gives each of 40 commands at once its own output, or says what there is too few of; and goes on', async () => {
    const cold = await openHome();
    const start = await runShell(cold, 'ulimit -n 64; sbx create box');
    expect(start).toEqual({ stdout: 'box\n', stderr: '', exitCode: 0 });
    const script = `for i in $(seq 40); do
        { out=$(sbx exec --stream box sh -c "sleep 0.3; echo $i" 2>/dev/null); echo "$i $? $out"; } &
      done; wait`;
    const { stdout } = await runShell(cold, script);
    const lines = stdout.split('\n').slice(0, -1);
    expect(lines).toHaveLength(40);
    for (const line of lines) expect(line).toMatch(/^(\d+) 0 \1$|^\d+ 125 $/);
    const after = await cold.run(['exec', 'box', 'echo', 'on']);
    expect(after).toMatchObject({ stdout: 'on\n', stderr: '', exitCode: 0 });
    await cold.close();
  });
});

describe('a place for the state that is read-only', () => {
  it('is named, with what to do', async () => {
    const place = await makeDirectory('sbx-test-readonly-');
    await execa('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', place]);
    const stateDir = join(place, 'state');
    const { stdout, stderr, exitCode } = await home.run(['ls'], {
      env: { ...home.env, SBX_STATE_DIR: stateDir },
    });
    await unmount(place);
    await rmdir(place);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*EROFS.*\nsbx: hint: .*SBX_STATE_DIR.*\n$/);
    expect(stderr).toContain(stateDir);
    expect(findDaemons(stateDir)).toEqual([]);
  });
});

describe('a place for the state whose file system has no locks', () => {
  it('is named, with what to do', async () => {
    const cold = await openHome();
    // As on NFS without its lock daemon: the kernel itself gives the answer.
    const refuse = 'strace -qq -f -o /dev/null -e trace=flock -e inject=flock:error=ENOLCK';
    const { stdout, stderr, exitCode } = await runShell(cold, `exec ${refuse} sbx serve`);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: Cannot lock .*ENOLCK\nsbx: hint: .*SBX_STATE_DIR.*\n$/);
    expect(stderr).toContain(join(cold.stateDir, 'lock'));
    await cold.close();
  });
});

it('a home that is not there is made no more of than it needs', async () => {
  const place = await makeDirectory('sbx-test-nohome-');
  const env = { ...home.env, HOME: join(place, 'gone') };
  expect(await home.run(['exec', sandbox, 'echo', 'hi'], { env })).toMatchObject({
    stdout: 'hi\n',
    exitCode: 0,
  });
  await mkdir(join(place, 'gone'));
  await rm(place, { recursive: true });
});

describe('records of another version', () => {
  it('are left alone, and used again by their own version', async () => {
    const own = await openHome();
    await own.createSandbox('web');
    const run = await own.run(['exec', '-d', 'web', '--', 'echo', 'kept']);
    const id = String(run.stdout).trim();
    await own.run(['wait', id]);
    await own.run(['daemon', 'stop']);
    const { stdout } = await runShell(own, 'echo $SBX_STATE_DIR/*/*/record.json');
    const paths = stdout.trim().split(' ');
    expect(paths).toHaveLength(2);
    const texts = paths.map((path) => readFileSync(path, 'utf8'));
    for (const [at, path] of paths.entries())
      writeFileSync(path, texts[at]!.replace('"schema":1', '"schema":2'));
    expect(await own.run(['ls', '-q'])).toMatchObject({ stdout: '', exitCode: 0 });
    expect(await own.run(['ps', '-aq'])).toMatchObject({ stdout: '', exitCode: 0 });
    await own.run(['daemon', 'stop']);
    for (const [at, path] of paths.entries()) writeFileSync(path, texts[at]!);
    expect(await own.run(['exec', 'web', 'hostname'])).toMatchObject({ stdout: 'web\n', exitCode: 0 });
    expect(await own.run(['logs', id])).toMatchObject({ stdout: 'kept\n', exitCode: 0 });
    const log = readFileSync(join(own.stateDir, 'daemon.log'), 'utf8');
    expect(log.match(/is left alone: its record has the schema 2/g)).toHaveLength(2);
    await own.close();
  });
});
