import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openOciDriver } from '../../../src/drivers/oci/open-driver.ts';
import { waitUntil } from '../../support/guests.ts';
import { gather, openTestBed, RUNTIMES } from './sandboxed.ts';

// Beside the packages, so that what is not bundled is found.
const cache = fileURLToPath(new URL('../../../node_modules/.cache/', import.meta.url));
const host = join(cache, `sbx-host-${randomUUID()}.mjs`);

beforeAll(async () => {
  mkdirSync(cache, { recursive: true });
  await build({
    entryPoints: [fileURLToPath(new URL('host.ts', import.meta.url))],
    outfile: host,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
});
afterAll(() => rmSync(host, { force: true }));

describe.each(RUNTIMES)('when the process that hosts a driver for %s dies', (runtime) => {
  let stateDir: string;
  let daemon: ChildProcess;
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), 'sbx-oci-'));
  });
  afterEach(() => {
    daemon.kill('SIGKILL');
    rmSync(stateDir, { recursive: true, force: true });
  });

  async function startHost(script: string): Promise<string> {
    daemon = spawn(process.execPath, [host, stateDir, runtime, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(daemon.stdout!, 'data')) as [Buffer];
    return line.toString().trim();
  }

  it('its commands die with it, its sandboxes live on for the next', async () => {
    const marker = `31${Date.now() % 1_000_000}`;
    const sandbox = await startHost(
      `touch /tmp/mine; sleep ${marker} & bash -mc 'sleep ${marker}' & echo up; wait`,
    );
    await waitUntil(() => findProcesses(`sleep\0${marker}`).length === 2);
    const init = Number(readFileSync(join(stateDir, 'sandboxes', sandbox, 'init.pid'), 'utf8'));
    const [warden = 0] = findProcesses('sbx-warden').filter((pid) => parentOf(pid) === daemon.pid);

    daemon.kill('SIGKILL');
    await waitUntil(() => findProcesses(`sleep\0${marker}`).length === 0);
    await waitUntil(() => isGone(warden));
    expect(existsSync(`/proc/${init}`)).toBe(true);

    const driver = await openOciDriver({ stateDir, runtime, log: () => undefined });
    expect(mountNamespace('self')).toBe(mountNamespace(holderOf(stateDir)));
    expect(await driver.isSandboxRunning(sandbox)).toBe(true);
    const exec = await driver.startExec({
      id: randomUUID(),
      sandboxId: sandbox,
      argv: ['ls', '/tmp'],
      env: new Map(),
      cwd: undefined,
      user: undefined,
      stdin: 'null',
    });
    void gather(exec.stderr);
    expect((await gather(exec.stdout)).toString()).toBe('mine\n');
    expect(await exec.ended).toEqual({ code: 0 });

    const holder = holderOf(stateDir);
    await driver.removeSandbox(sandbox);
    await driver.close();
    expect(existsSync(join(stateDir, 'holder.json'))).toBe(false);
    await waitUntil(() => isGone(holder) && isGone(init));
    expect(readdirSync(join(stateDir, 'sandboxes'))).toEqual([]);
  });

  it('a background process of a command that has ended before lives on', async () => {
    const marker = `32${Date.now() % 1_000_000}`;
    const sandbox = await startHost(`setsid sleep ${marker} > /dev/null 2>&1 & echo up`);
    await waitUntil(() => findProcesses(`sleep\0${marker}`).length === 1);
    // The command itself has ended once nothing but its background process and the init is left.
    await waitUntil(() => findProcesses('sh\0-c\0setsid').length === 0);
    const [warden = 0] = findProcesses('sbx-warden').filter((pid) => parentOf(pid) === daemon.pid);
    daemon.kill('SIGKILL');
    await waitUntil(() => isGone(warden));
    expect(findProcesses(`sleep\0${marker}`)).toHaveLength(1);

    const driver = await openOciDriver({ stateDir, runtime, log: () => undefined });
    await driver.removeSandbox(sandbox);
    await driver.close();
    expect(findProcesses(`sleep\0${marker}`)).toEqual([]);
  });
});

describe.each(RUNTIMES)('a driver for %s that is closed', (runtime) => {
  it('leaves its sandboxes running, and nothing else but their holder', async () => {
    const bed = await openTestBed(runtime);
    const web = await bed.createSandbox();
    const wardens = findProcesses('sbx-warden').filter((pid) => parentOf(pid) === process.pid);
    expect(wardens).toHaveLength(1);
    await bed.driver.close();
    expect(wardens.map(isGone)).toEqual([true]);
    expect(isGone(holderOf(bed.stateDir))).toBe(false);

    const next = await openOciDriver({ stateDir: bed.stateDir, runtime, log: () => undefined });
    expect(await next.isSandboxRunning(web)).toBe(true);
    await next.removeSandbox(web);
    await next.close();
    expect(existsSync(join(bed.stateDir, 'holder.json'))).toBe(false);
    rmSync(bed.stateDir, { recursive: true });
  });
});

describe.each(RUNTIMES)('a sandbox that is removed under %s', (runtime) => {
  it('has ended also where the runtime does not wait for that', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sbx-oci-'));
    const path = join(directory, runtime);
    // As crun without a cgroup, which kills the init and is done; only later.
    const late = `*" delete "*) (sleep 0.5; exec ${runtime} "$@") >/dev/null 2>&1 & exit 0`;
    const lines = ['#!/bin/sh', `case "$*" in ${late} ;; esac`, `exec ${runtime} "$@"`];
    writeFileSync(path, lines.join('\n'), { mode: 0o755 });
    const bed = await openTestBed(path);
    const web = await bed.createSandbox();
    const init = Number(readFileSync(join(bed.stateDir, 'sandboxes', web, 'init.pid'), 'utf8'));
    expect(isGone(init)).toBe(false);
    await bed.driver.removeSandbox(web);
    expect(isGone(init)).toBe(true);
    await waitUntil(() => !readdirSync(join(bed.stateDir, 'run')).includes(web));
    await bed.close();
    rmSync(directory, { recursive: true });
  });
});

describe('a driver that is closed and has no sandbox', () => {
  it('leaves no holder', async () => {
    const bed = await openTestBed(RUNTIMES[0]!);
    const holder = holderOf(bed.stateDir);
    await bed.driver.close();
    expect(isGone(holder)).toBe(true);
    rmSync(bed.stateDir, { recursive: true });
  });
});

describe('a sandbox', () => {
  it('stays with the runtime that made it when a later driver uses another', async () => {
    for (const [first, second] of [RUNTIMES, [...RUNTIMES].reverse()]) {
      const bed = await openTestBed(first!);
      const web = await bed.createSandbox();
      const init = Number(readFileSync(join(bed.stateDir, 'sandboxes', web, 'init.pid'), 'utf8'));
      await bed.driver.close();
      const next = await openTestBed(second ?? first!, bed.stateDir);
      expect(await next.driver.isSandboxRunning(web)).toBe(true);
      expect((await next.run(web, ['echo', 'here'])).stdout).toBe('here\n');
      await next.driver.removeSandbox(web);
      await next.close();
      await waitUntil(() => isGone(init));
    }
  });
});

function holderOf(stateDir: string): number {
  return (JSON.parse(readFileSync(join(stateDir, 'holder.json'), 'utf8')) as { pid: number }).pid;
}

function mountNamespace(pid: number | 'self'): string {
  return readlinkSync(`/proc/${pid}/ns/mnt`);
}

/** Processes whose command line or environment contains a text. Zombies have neither. */
function findProcesses(text: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.map(Number).filter((pid) => tryRead(`/proc/${pid}/cmdline`).includes(text));
}

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)$/m.exec(tryRead(`/proc/${pid}/status`))?.[1]);
}

function isGone(pid: number): boolean {
  return !/^State:\t[^Z]/m.test(tryRead(`/proc/${pid}/status`));
}

function tryRead(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
