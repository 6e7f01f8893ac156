import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOciDriver } from '../../../src/drivers/oci/open-driver.ts';
import { probeRuntimes } from '../../../src/drivers/oci/probe.ts';
import { findRuntimes } from '../../../src/drivers/oci/runtime-search.ts';
import { waitUntil } from '../../support/guests.ts';
import { listChildren, openTestBed, RUNTIMES } from './sandboxed.ts';
import { unmount } from '../../support/unmount.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbx-oci-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const log = () => undefined;

describe.each(RUNTIMES)('a driver for %s', (runtime) => {
  it('says so when its runtime has been removed between two commands', async () => {
    const path = join(directory, runtime);
    copyFileSync(findRuntimes(runtime)[0]!.path!, path);
    chmodSync(path, 0o755);
    const bed = await openTestBed(path);
    const web = await bed.createSandbox();
    expect((await bed.run(web, ['true'])).exit).toEqual({ code: 0 });
    const kept = join(directory, 'kept');
    copyFileSync(path, kept);
    rmSync(path);
    const refusal = { code: 'runtime_unavailable', message: expect.stringContaining(path) as string };
    await expect(bed.run(web, ['true'])).rejects.toMatchObject(refusal);
    await expect(bed.createSandbox()).rejects.toMatchObject(refusal);
    copyFileSync(kept, path);
    chmodSync(path, 0o755);
    expect((await bed.run(web, ['true'])).exit).toEqual({ code: 0 });
    expect(readdirSync(join(bed.stateDir, 'sandboxes'))).toEqual([web]);
    await bed.close();
  });

  it('says that the disk is full, and leaves nothing of what it began', async () => {
    const stateDir = join(directory, 'state');
    mkdirSync(stateDir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', stateDir]);
    try {
      const driver = await openOciDriver({ stateDir, runtime, log });
      const id = '6f1c9d0e-0000-4000-8000-000000000001';
      const spec = { id, name: 'web', network: 'none' } as const;
      fillDisk(join(stateDir, 'filler'));
      await expect(driver.createSandbox(spec)).rejects.toMatchObject({ code: 'disk_full' });
      expect(readdirSync(join(stateDir, 'sandboxes'))).toEqual([]);
      expect(await driver.isSandboxRunning(id)).toBe(false);

      rmSync(join(stateDir, 'filler'));
      await driver.createSandbox(spec);
      fillDisk(join(stateDir, 'filler'));
      const exec = { id: '6f1c9d0e-0000-4000-8000-000000000002', sandboxId: id, argv: ['true'] };
      const rest = {
        env: new Map<string, string>(),
        cwd: undefined,
        user: undefined,
        stdin: 'null',
      } as const;
      await expect(driver.startExec({ ...exec, ...rest })).rejects.toMatchObject({ code: 'disk_full' });
      expect(readdirSync(join(stateDir, 'starting'))).toEqual([]);
      await driver.removeSandbox(id);
      await driver.close();
    } finally {
      await unmount(stateDir);
    }
  });

  it('reaps a helper of its runtime that ends after the last command, however late', async () => {
    const [path, hold] = [join(directory, runtime), join(directory, 'hold')];
    const helper = `(read -r _ < ${hold}) </dev/null >/dev/null 2>&1 &`;
    const lines = [
      '#!/bin/sh',
      `if [ -p ${hold} ]; then ${helper} fi`,
      `exec ${findRuntimes(runtime)[0]!.path!} "$@"`,
    ];
    writeFileSync(path, lines.join('\n'), { mode: 0o755 });
    const bed = await openTestBed(path);
    const web = await bed.createSandbox();
    execFileSync('mkfifo', [hold]);
    await expect(bed.run(web, ['nosuch'])).rejects.toMatchObject({ code: 'command_not_found' });
    // The runtime itself may have left one, too; ours is still a copy of the script.
    const findOurs = () => listChildren().find(({ pid, state }) => state === 'S' && isOf(pid, path));
    await waitUntil(() => findOurs() !== undefined);
    const { pid } = findOurs()!;
    // Whoever opens it for writing waits for the reader.
    writeFileSync(hold, 'go on\n');
    rmSync(hold);
    await waitUntil(() => !listChildren().some((child) => child.pid === pid));
    await bed.close();
  });

  it('kills what still runs when it is closed', async () => {
    const bed = await openTestBed(runtime);
    const web = await bed.createSandbox();
    const exec = await bed.start(web, ['sleep', '300']);
    await bed.driver.close();
    expect(await exec.ended).toEqual({ signal: 'KILL' });
    exec.stdout.close();
    exec.stderr.close();
    const next = await openOciDriver({ stateDir: bed.stateDir, runtime, log });
    await next.removeSandbox(web);
    await next.close();
    rmSync(bed.stateDir, { recursive: true });
  });

  it('is found to work by a probe, which leaves nothing', async () => {
    const report = await probeRuntimes({ stateDir: directory, runtime, log });
    expect(report.init).toMatch(/tini/);
    expect(report.runtimes).toMatchObject([{ name: runtime, works: true, reason: undefined }]);
    expect(report.runtimes[0]!.version).toMatch(/^\d+\.\d+/);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('a runtime', () => {
  it('that is not installed is refused with its name', async () => {
    await expect(openOciDriver({ stateDir: directory, runtime: 'nosuch', log })).rejects.toMatchObject({
      code: 'runtime_unavailable',
      message: expect.stringContaining('nosuch: not installed') as string,
    });
  });

  it('that cannot make a sandbox is passed over, with its reason', async () => {
    const broken = join(directory, 'broken');
    writeFileSync(broken, '#!/bin/sh\necho broken: no such feature >&2\nexit 1\n');
    chmodSync(broken, 0o755);
    const { runtimes } = await probeRuntimes({ stateDir: directory, runtime: broken, log });
    expect(runtimes).toMatchObject([{ name: 'broken', works: false }]);
    await expect(openOciDriver({ stateDir: directory, runtime: broken, log })).rejects.toMatchObject({
      code: 'runtime_unavailable',
    });
    expect(existsSync(join(directory, 'holder.json'))).toBe(false);
  });

  it('cannot be used under a path that its mounts could not name', async () => {
    const stateDir = join(directory, 'a,b');
    await expect(openOciDriver({ stateDir, log })).rejects.toMatchObject({ code: 'state_dir_unusable' });
    expect(existsSync(stateDir)).toBe(false);
  });
});

/** Whether a process runs the script at this path. */
function isOf(pid: number, path: string): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path);
}

function fillDisk(path: string): void {
  const block = Buffer.alloc(4096);
  try {
    while (true) writeFileSync(path, block, { flag: 'a' });
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  }
}
