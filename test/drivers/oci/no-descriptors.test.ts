import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ChildReaper } from '../../../src/drivers/oci/child-reaper.ts';
import { findRuntimes } from '../../../src/drivers/oci/runtime-search.ts';
import { reserveDescriptors, withoutDescriptors } from '../../support/descriptors.ts';
import { findGuests, makeMark, waitUntil } from '../../support/guests.ts';
import { listChildren, openTestBed, RUNTIMES, waitForOutput } from './sandboxed.ts';

let directory: string;
beforeAll(reserveDescriptors);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbx-oci-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A runtime that, once there is a pipe `hold`, waits before it runs a command, or leaves a helper that waits. */
function makeHeldRuntime(runtime: string, who: 'itself' | 'helper') {
  const [path, hold, pidFile] = [runtime, 'hold', 'pid'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const waits = {
    itself: `echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; read -r _ < ${hold};`,
    helper: `(read -r _ < ${hold}) </dev/null >/dev/null 2>&1 &`,
  };
  const lines = [
    '#!/bin/sh',
    `if [ -p ${hold} ]; then ${waits[who]} fi`,
    `exec ${findRuntimes(runtime)[0]!.path!} "$@"`,
  ];
  writeFileSync(path, lines.join('\n'), { mode: 0o755 });
  let fd: number;
  return {
    path,
    hold() {
      execFileSync('mkfifo', [hold]);
      // Whoever opens it for both never waits for the other side.
      fd = openSync(hold, 'r+');
    },
    async waitForPid(): Promise<number> {
      await waitUntil(() => existsSync(pidFile));
      return Number(readFileSync(pidFile, 'utf8'));
    },
    release: () => writeSync(fd, 'go on\n'),
    /** What runs from now on is not held. */
    forget() {
      rmSync(hold);
    },
  };
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.each(RUNTIMES)('without a descriptor left, a driver for %s', (runtime) => {
  it('knows of a command that its runtime has started as soon as it can', async () => {
    const held = makeHeldRuntime(runtime, 'itself');
    const bed = await openTestBed(held.path);
    const web = await bed.createSandbox();
    held.hold();
    const start = bed.start(web, ['sleep', '300']);
    const pid = await held.waitForPid();
    held.forget();
    await withoutDescriptors(async () => {
      held.release();
      await waitUntil(() => !isThere(pid));
    });
    const exec = await start;
    exec.kill();
    expect(await exec.ended).toEqual({ signal: 'KILL' });
    exec.stdout.close();
    exec.stderr.close();
    await bed.close();
  });

  it('says why a command could not be started as soon as it can', async () => {
    const held = makeHeldRuntime(runtime, 'itself');
    const bed = await openTestBed(held.path);
    const web = await bed.createSandbox();
    held.hold();
    const start = bed.run(web, ['nosuch']);
    const pid = await held.waitForPid();
    held.forget();
    const refused = expect(start).rejects.toMatchObject({ code: 'command_not_found' });
    await withoutDescriptors(async () => {
      held.release();
      await waitUntil(() => !isThere(pid));
    });
    await refused;
    await bed.close();
  });

  it('survives the end of a helper of its runtime, which it reaps later', async () => {
    const held = makeHeldRuntime(runtime, 'helper');
    const bed = await openTestBed(held.path);
    const web = await bed.createSandbox();
    held.hold();
    await expect(bed.run(web, ['nosuch'])).rejects.toMatchObject({ code: 'command_not_found' });
    held.forget();
    const helpers = () => listChildren().filter((stat) => !stat.hasExecuted);
    const [helper] = helpers();
    expect(helper).toMatchObject({ state: 'S' });
    await withoutDescriptors(async () => {
      const heard = once(process, 'SIGCHLD');
      process.kill(helper!.pid, 'SIGKILL');
      await heard;
    });
    expect(helpers()).toMatchObject([{ pid: helper!.pid, state: 'Z' }]);
    expect((await bed.run(web, ['true'])).exit).toEqual({ code: 0 });
    expect(helpers()).toEqual([]);
    await bed.close();
  });

  it('ends what a command has left as soon as it can', async () => {
    const mark = makeMark();
    const bed = await openTestBed(runtime);
    const web = await bed.createSandbox();
    const script = `bash -mc 'sh -c "sleep 300; : ${mark}" & wait' & echo up; wait`;
    const exec = await bed.start(web, ['bash', '-c', script]);
    await waitForOutput(exec.stdout, 'up');
    await waitUntil(() => findGuests(mark).length === 3);
    await withoutDescriptors(async () => {
      exec.kill();
      expect(await exec.ended).toEqual({ signal: 'KILL' });
    });
    await waitUntil(() => findGuests(mark).length === 0);
    exec.stderr.close();
    await bed.close();
  });
});

describe('without a descriptor left, a reaper', () => {
  it('waits for a process that is not yet its child', async () => {
    const reaper = new ChildReaper(() => true);
    const shell = spawn('/bin/sh', ['-c', 'sleep 300 & echo $!; wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const ended = await withoutDescriptors(() => ({ reaped: reaper.reap(pid) }));
    shell.kill('SIGKILL');
    await once(shell, 'exit');
    process.kill(pid, 'SIGTERM');
    expect(await ended.reaped).toEqual({ signal: 'TERM' });
    await reaper.close();
  });
});
