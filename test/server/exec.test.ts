import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import koffi from 'koffi';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SandboxRecord, StartExecRequest } from '../../src/protocol/api.ts';
import { Exec } from '../../src/server/exec.ts';
import { openTestBed, RUNTIMES, type TestBed } from '../drivers/oci/sandboxed.ts';
import { findGuests, makeMark, waitUntil } from '../support/guests.ts';

const waitpid = koffi.load(null).func('int waitpid(int pid, void *status, int options)') as (
  pid: number,
  status: null,
  options: number,
) => number;

let bed: TestBed;
let sandbox: string;
beforeAll(async () => {
  bed = await openTestBed(RUNTIMES[0]!);
  sandbox = await bed.createSandbox();
});
afterAll(() => bed.close());

/** An exec of a shell script; `ended` resolves when it has its end. */
function createExec(script: string) {
  let onEnd: (exec: Exec) => void;
  const ended = new Promise<Exec>((resolve) => (onEnd = resolve));
  const exec = new Exec({
    request: { id: randomUUID(), argv: ['sh', '-c', script], stdin: 'null' } as unknown as StartExecRequest,
    sandbox: { id: sandbox, name: 'web' } as SandboxRecord,
    owner: 'uid:0',
    openLog: () => {
      throw new Error('It has no log');
    },
    log: () => undefined,
    onKept: () => undefined,
    onEnd: (which) => onEnd(which),
  });
  return { exec, ended };
}

/** The driver, which also tells the test of the end of what it starts, after the exec. */
function watchStart(onStart: (ended: Promise<unknown>) => void): TestBed['driver'] {
  const { driver } = bed;
  return Object.assign(Object.create(driver) as typeof driver, {
    startExec: async (spec: Parameters<typeof driver.startExec>[0]) => {
      const process = await driver.startExec(spec);
      // After the exec itself has asked for it.
      setImmediate(() => onStart(process.ended));
      return process;
    },
  });
}

it('ends, though a background process has taken from the pipe what the command wrote last', async () => {
  const mark = makeMark();
  const wait = `until test -e /tmp/${mark}; do sleep 0.02; done`;
  const { exec, ended } = createExec(`sh -c 'sleep 300; : guest-${mark}' & echo one; ${wait}; echo two`);
  // An owner that reads nothing: what comes after the first bytes stays in the pipe.
  exec.clients.readers.setOwner({ client: 'test', graceMs: 60_000 });
  exec.clients.journal.hold({ stdout: 0, stderr: 0 }, { stdout: 0, stderr: 0 });
  let taken = '';
  let stdout = -1;
  await exec.start(
    watchStart((end) => {
      void end.then(() => {
        const buffer = Buffer.alloc(64);
        taken = buffer.toString('latin1', 0, readSync(stdout, buffer));
      });
    }),
  );
  await waitUntil(() => exec.record.bytes.stdout === 4);
  const [guest] = findGuests(`guest-${mark}`);
  stdout = openSync(`/proc/${guest}/fd/1`, constants.O_RDONLY | constants.O_NONBLOCK);
  await bed.run(sandbox, ['touch', `/tmp/${mark}`]);
  await ended;
  expect(taken).toBe('two\n');
  expect(exec.record).toMatchObject({ state: 'exited', exit: { code: 0 }, drain_truncated: true });
  expect(exec.record.bytes.stdout).toBe(4);
  closeSync(stdout);
  exec.destroy();
});

it('of which nobody can learn how it ended leaves nothing that runs', async () => {
  const mark = makeMark();
  const { exec, ended } = createExec(
    `sh -c 'sleep 300; : ${mark}' & echo one; exec sleep 300.${process.pid}`,
  );
  await exec.start(bed.driver);
  await waitUntil(() => exec.record.bytes.stdout === 4);
  const [main] = findGuests(`sleep\x00300.${process.pid}`);
  // Somebody else reaps it, before the driver hears of its end.
  process.kill(main!, 'SIGKILL');
  expect(waitpid(main!, null, 0)).toBe(main);
  await ended;
  expect(exec.record).toMatchObject({ state: 'lost', exit: null });
  expect(exec.hasBackground).toBe(false);
  await waitUntil(() => findGuests(mark).length === 0);
  exec.destroy();
});
