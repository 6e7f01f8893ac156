import { realpathSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/drivers/oci/host-parts.ts';
import { readDaemonFile } from '../../src/state/daemon-file.ts';
import { openHome, SBX, type Home } from '../support/home.ts';

const find = (name: string): string[] => {
  const path = findProgram(name);
  return path === undefined ? [] : [realpathSync(path)];
};
const CRUN = find('crun');
const RUNC = find('runc');
const INITS = [...new Set(['tini-static', 'tini', 'docker-init'].flatMap(find))];
const ALL = [...CRUN, ...RUNC, ...INITS];
const MANAGERS = ['apt-get', 'dnf', 'apk', 'pacman'].flatMap(find);
const LISTS = '/var/lib/apt/lists';

let home: Home;
let directory: string;

beforeEach(async () => {
  home = await openHome();
  directory = await mkdtemp(join(tmpdir(), 'setup-'));
  await mkdir(join(directory, 'bin'));
  await writeFile(join(directory, 'empty'), '', { mode: 0o644 });
  await writeFile(join(directory, 'useless'), '#!/bin/sh\necho useless >&2; exit 1\n', { mode: 0o755 });
  await chmod(directory, 0o755);
});
afterEach(async () => {
  await home.close();
  await rm(directory, { recursive: true });
});

interface Machine {
  /** Programs that are not there. */
  readonly hidden?: readonly string[];
  /** Programs that are there and fail. */
  readonly useless?: readonly string[];
  /** Directories that are empty. */
  readonly emptied?: readonly string[];
}

/** Runs a bash script, in which `sbx` is this build, on a machine without some of its programs. */
async function runOn({ hidden = [], useless = [], emptied = [] }: Machine, script: string) {
  const mounts = [
    ...hidden.map((path) => `mount --bind ${directory}/empty ${path}`),
    ...useless.map((path) => `mount --bind ${directory}/useless ${path}`),
    ...emptied.map((path) => `mount -t tmpfs none ${path}`),
  ];
  const path = [join(directory, 'bin'), dirname(SBX), home.env['PATH']].join(':');
  const all = ['set -e', ...mounts, 'set +e', script].join('\n');
  const { stdout, stderr, exitCode } = await execa('unshare', ['-m', 'bash', '-c', all], {
    env: { ...home.env, PATH: path },
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
  });
  return { stdout, stderr, exitCode };
}

/** A package manager that notes what it is asked for; what it installs are the programs that were hidden. */
async function addManager(name: string, script: string): Promise<void> {
  const body = `#!/bin/sh\necho "${name} $*" >>${directory}/asked\n${script}\n`;
  await writeFile(join(directory, 'bin', name), body, { mode: 0o755 });
}

const bring = (...paths: string[]): string => `umount ${paths.join(' ')}`;

async function readAsked(): Promise<string[]> {
  const text = await readFile(join(directory, 'asked'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean);
}

const APT_INSTALL = 'apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120';

describe('sbx setup where nothing is missing', () => {
  it('says so in one line, and starts no other daemon where one is there', async () => {
    await home.run(['setup']);
    const daemon = readDaemonFile(home.stateDir);
    expect(daemon).toBeDefined();
    const result = await home.run(['setup']);
    // What tries the runtimes is the start of a daemon.
    expect(readDaemonFile(home.stateDir)).toEqual(daemon);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(result.stdout).toMatch(/^nothing is missing; a sandbox works here, with \w+\n$/);
  });

  it('uses the runtime of SBX_RUNTIME', async () => {
    const result = await home.run(['setup'], { env: { ...home.env, SBX_RUNTIME: 'runc' } });
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.any(String) });
    expect(result.stdout).toContain('with runc');
  });

  it('fails for a runtime of SBX_RUNTIME that no package brings', async () => {
    const result = await home.run(['setup', '--yes'], { env: { ...home.env, SBX_RUNTIME: '/nowhere/crun' } });
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain('The runtime /nowhere/crun that SBX_RUNTIME asks for is not here');
  });

  it.each([[['--now']], [['web']]])('refuses the words %j', async (words) => {
    const result = await home.run(['setup', ...words]);
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain('sbx setup --help');
  });
});

describe('sbx setup where everything is missing', () => {
  it('installs a runtime and an init, and then commands run', async () => {
    await addManager('apt-get', `echo Reading package lists\n${bring(...CRUN, ...INITS)}`);
    const result = await runOn({ hidden: ALL }, 'sbx setup --yes && sbx exec -- echo hello');
    expect(await readAsked()).toEqual([`${APT_INSTALL} crun tini`]);
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.any(String) });
    expect(result.stdout).toBe(
      'installed the OCI runtime crun and a static init (tini); a sandbox works here, with crun\nhello',
    );
    expect(result.stderr).toContain(
      `sbx: to be run: DEBIAN_FRONTEND=noninteractive ${APT_INSTALL} crun tini`,
    );
    expect(result.stderr).toContain('\nReading package lists');
  });

  it('updates the lists first where there are none', async () => {
    await addManager('apt-get', `[ "$1" = update ] || ${bring(...CRUN, ...INITS)}`);
    const result = await runOn({ hidden: ALL, emptied: [LISTS] }, 'sbx setup --yes');
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.any(String) });
    expect(await readAsked()).toEqual(['apt-get update', `${APT_INSTALL} crun tini`]);
  });

  it('updates lists that are out of date, and tries once more', async () => {
    const install = `if [ -e ${directory}/fresh ]; then ${bring(...CRUN, ...INITS)}; else exit 100; fi`;
    await addManager('apt-get', `if [ "$1" = update ]; then : >${directory}/fresh; else ${install}; fi`);
    const result = await runOn({ hidden: ALL }, 'sbx setup --yes');
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.any(String) });
    expect(await readAsked()).toEqual([
      `${APT_INSTALL} crun tini`,
      'apt-get update',
      `${APT_INSTALL} crun tini`,
    ]);
  });

  it('fails when the package manager does, and says how', async () => {
    await addManager('apt-get', 'echo "E: no network" >&2; exit 100');
    const result = await runOn({ hidden: ALL }, 'sbx setup --yes');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(
      'E: no network\nsbx: Cannot install what is missing: apt-get exited with 100',
    );
  });

  it('does not believe a package manager that installed nothing', async () => {
    await addManager('apt-get', 'true');
    const result = await runOn({ hidden: ALL }, 'sbx setup --yes');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain('this is still missing: the OCI runtime crun and a static init (tini)');
  });

  it.each([
    { manager: 'dnf', asked: 'dnf install --assumeyes --setopt=install_weak_deps=False crun tini-static' },
    { manager: 'apk', asked: 'apk add --no-cache crun tini-static' },
    { manager: 'pacman', asked: 'pacman -S --noconfirm --needed crun tini' },
  ])('asks $manager for the packages by its own names', async ({ manager, asked }) => {
    await addManager(manager, `[ "$1" = -Sy ] || ${bring(...CRUN, ...INITS)}`);
    const result = await runOn({ hidden: [...ALL, ...MANAGERS] }, 'sbx setup --yes');
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.any(String) });
    expect((await readAsked()).at(-1)).toBe(asked);
  });

  it('says what to install where it knows no package manager', async () => {
    const result = await runOn({ hidden: [...ALL, ...MANAGERS] }, 'sbx setup --yes');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain('none of apt-get, dnf, apk, pacman is here');
    expect(result.stderr).toContain('Install the OCI runtime crun and a static init (tini)');
  });

  it('shows another user than root what to type, and runs nothing', async () => {
    await addManager('apt-get', 'true');
    const result = await runOn(
      { hidden: ALL },
      `setpriv --reuid 65534 --clear-groups env SBX_STATE_DIR=${directory}/state sbx setup --yes`,
    );
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(`hint: Run: sudo ${APT_INSTALL} crun tini`);
    expect(await readAsked()).toEqual([]);
  });
});

describe('sbx setup without --yes', () => {
  beforeEach(() => addManager('apt-get', bring(...CRUN, ...INITS)));

  it('fails where there is no terminal, naming --yes', async () => {
    const result = await runOn({ hidden: ALL }, 'echo y | sbx setup');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain('sbx setup --yes');
    expect(await readAsked()).toEqual([]);
  });

  it.each([
    { answer: 'y', status: 0, count: 1 },
    { answer: '', status: 0, count: 1 },
    { answer: 'n', status: 125, count: 0 },
    { answer: 'perhaps', status: 125, count: 0 },
  ])('asks on the terminal: "$answer" ends with $status', async ({ answer, status, count }) => {
    const result = await runOn({ hidden: ALL }, `echo '${answer}' | script -qec 'sbx setup' /dev/null`);
    expect(result.stdout).toContain('sbx: Run this now? [Y/n]');
    expect(result.exitCode).toBe(status);
    expect(await readAsked()).toHaveLength(count);
  });
});

describe('sbx setup where a runtime is there and does not work', () => {
  it('installs another', async () => {
    await addManager('apt-get', bring(...RUNC));
    const result = await runOn({ hidden: RUNC, useless: CRUN }, 'sbx setup --yes');
    expect(await readAsked()).toEqual([`${APT_INSTALL} runc`]);
    expect(result.stderr).toContain('No runtime works here (crun: ');
    expect(result).toMatchObject({ exitCode: 0, stderr: expect.any(String) });
    expect(result.stdout).toContain('a sandbox works here, with runc');
  });

  it('fails with the reasons when there is no other', async () => {
    const result = await runOn({ useless: [...CRUN, ...RUNC] }, 'sbx setup --yes');
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toMatch(/no sandbox works: No runtime works here \(crun: .*; runc: /);
  });
});
