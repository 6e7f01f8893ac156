import { existsSync, realpathSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDaemonFile } from '../../src/state/daemon-file.ts';
import { findProgram } from '../../src/drivers/oci/host-parts.ts';
import { waitUntil } from '../support/guests.ts';
import { makeHeldRuntime } from '../support/held-runtime.ts';
import { findLeftovers, openHome, SBX, type Home } from '../support/home.ts';

const PARTS = ['crun', 'runc', 'tini-static', 'tini', 'docker-init'].flatMap((name) => {
  const path = findProgram(name);
  return path === undefined ? [] : [realpathSync(path)];
});

let home: Home;
let directory: string;

beforeEach(async () => {
  home = await openHome();
  directory = await mkdtemp(join(tmpdir(), 'doctor-'));
});
afterEach(async () => {
  await home.close();
  await rm(directory, { recursive: true });
});

/** Runs a bash script, in which `sbx` is this build, with mounts of its own. */
function runScript(script: string) {
  const env = { ...home.env, PATH: `${dirname(SBX)}:${home.env['PATH']}`, DIR: directory };
  return execa('unshare', ['-m', 'bash', '-c', script], {
    env,
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
  });
}

describe('sbx doctor where commands can run', () => {
  it('tells of each part in a line and ends with 0', async () => {
    const result = await home.run(['doctor']);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    const lines = (result.stdout as unknown as string).trimEnd().split('\n');
    for (const part of ['runtime', 'init', 'sleep', 'cgroup limits', 'daemon', 'state', 'Node']) {
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^(ok|note) +${part} {2,}\\S`)));
    }
    expect(lines.at(-1)).toMatch(/^Commands can run here, with \w+\.$/);
  });

  it('starts no daemon and makes no state directory', async () => {
    const stateDir = join(directory, 'state');
    const result = await home.run(['doctor'], { env: { ...home.env, SBX_STATE_DIR: stateDir } });
    expect(result).toMatchObject({ exitCode: 0 });
    expect(result.stdout).toContain('not running; it starts by itself at the first command');
    expect(existsSync(stateDir)).toBe(false);
    expect(findLeftovers(stateDir)).toEqual([]);
  });

  it('does not disturb a daemon and its sandboxes', async () => {
    const sandbox = await home.createSandbox();
    const result = await home.run(['doctor']);
    expect(result.stdout).toContain(`running: pid ${readDaemonFile(home.stateDir)!.pid}, version`);
    expect(await home.run(['exec', sandbox, 'echo', 'hi'])).toMatchObject({ stdout: 'hi\n', exitCode: 0 });
  });

  it('tries only the runtime that is asked for', async () => {
    const result = await home.run(['doctor'], { env: { ...home.env, SBX_RUNTIME: 'runc' } });
    expect(result.stdout).toContain('with runc.');
    expect(result.stdout).not.toContain('crun');
  });

  it('colours on a terminal, but not with NO_COLOR or TERM=dumb', async () => {
    const coloured = await runScript(`TERM=xterm script -qec 'sbx doctor' /dev/null`);
    const plain = await runScript(`TERM=xterm NO_COLOR=1 script -qec 'sbx doctor' /dev/null`);
    const dumb = await runScript(`TERM=dumb script -qec 'sbx doctor' /dev/null`);
    expect(coloured.stdout).toContain('\x1b[32mok');
    expect(plain.stdout + dumb.stdout).not.toContain('\x1b');
  });

  it.each([[['--all']], [['web']]])('refuses the words %j', async (words) => {
    const result = await home.run(['doctor', ...words]);
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain('sbx doctor --help');
  });
});

describe('sbx doctor where commands cannot run', () => {
  it('says what is not installed and what to type, and ends with 125', async () => {
    await writeFile(join(directory, 'empty'), '', { mode: 0o644 });
    const hide = PARTS.map((path) => `mount --bind $DIR/empty ${path} &&`).join(' ');
    const result = await runScript(`${hide} sbx doctor`);
    expect(result).toMatchObject({ exitCode: 125, stderr: '' });
    expect(result.stdout).toMatch(/^problem +runtime +crun: not installed\n +type: sbx setup$/m);
    expect(result.stdout).toMatch(
      /^problem +init +no static init \(tini\) is installed\n +type: sbx setup$/m,
    );
    expect(result.stdout).toMatch(/\nCommands cannot run here: see each problem above\.$/);
  });

  it('gives the words of a runtime that fails', async () => {
    await writeFile(join(directory, 'useless'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const result = await home.run(['doctor'], { env: { ...home.env, SBX_RUNTIME: `${directory}/useless` } });
    expect(result).toMatchObject({ exitCode: 125 });
    expect(result.stdout).toMatch(
      /^problem +runtime +useless \(.*\): Cannot start the sandbox with useless/m,
    );
  });

  it('names a state directory that is open to others, and the cure', async () => {
    const stateDir = join(directory, 'state');
    await mkdir(stateDir);
    await chmod(stateDir, 0o755);
    const result = await home.run(['doctor'], { env: { ...home.env, SBX_STATE_DIR: stateDir } });
    expect(result).toMatchObject({ exitCode: 125 });
    expect(result.stdout).toMatch(
      new RegExp(`^problem +state +${stateDir} is open to others\n +type: chmod 700 `, 'm'),
    );
  });

  it.each(['/dev/null/state', '/tmp/a directory/state'])('names a state directory like %s', async (path) => {
    const result = await home.run(['doctor'], { env: { ...home.env, SBX_STATE_DIR: path } });
    expect(result).toMatchObject({ exitCode: 125, stderr: '' });
    expect(result.stdout).toContain(`${path} cannot be used: `);
  });

  it('notes a state directory on an overlay file system, where sandboxes work all the same', async () => {
    const mount = 'mount -t tmpfs none $DIR && mkdir $DIR/{lower,upper,work,state}';
    const overlay =
      'mount -t overlay none -o lowerdir=$DIR/lower,upperdir=$DIR/upper,workdir=$DIR/work $DIR/state';
    const use = 'sbx doctor && sbx create web && sbx exec web sh -c "echo written > /usr/new; cat /usr/new"';
    const end = 'sbx rm web && sbx daemon stop && ls $SBX_STATE_DIR/sandboxes $SBX_STATE_DIR/layers';
    const result = await runScript(
      `${mount} && ${overlay} && export SBX_STATE_DIR=$DIR/state/sbx && ${use} && ${end}`,
    );
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(result.stdout).toMatch(/^note +state +\S+ lies on an overlay file system/m);
    expect(result.stdout).toContain('type: export SBX_STATE_DIR=');
    expect(result.stdout).toMatch(/\nweb\nwritten\n\S+layers:\n\n\S+sandboxes:$/);
  });

  it('names a daemon that does not answer', async () => {
    await home.createSandbox();
    const { pid } = readDaemonFile(home.stateDir)!;
    process.kill(pid, 'SIGSTOP');
    try {
      const result = await home.run(['doctor']);
      expect(result).toMatchObject({ exitCode: 125 });
      expect(result.stdout).toMatch(
        new RegExp(`^problem +daemon +pid ${pid} does not answer\n +type: kill -KILL ${pid}$`, 'm'),
      );
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});

describe('sbx doctor that is interrupted', () => {
  const listProbes = async () => (await readdir(home.stateDir)).filter((name) => name.startsWith('probe-'));

  it('ends with the signal when it has removed what it tried', async () => {
    await home.run(['ls']);
    const runtime = await makeHeldRuntime(directory);
    await execa('mkfifo', [runtime.hold]);
    const child = home.start(['doctor'], { env: { ...home.env, SBX_RUNTIME: runtime.path } });
    await waitUntil(runtime.isHeld);
    expect(await listProbes()).toHaveLength(1);
    child.kill('SIGTERM');
    await writeFile(runtime.hold, 'go on\n');
    expect(await child).toMatchObject({ exitCode: 143 });
    expect(await listProbes()).toEqual([]);
  });
});
