import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasEnded } from '../../src/posix/process-end.ts';
import { readProcessStat } from '../../src/posix/process-stat.ts';
import { readDaemon } from '../support/api.ts';
import { ByteReader } from '../support/byte-reader.ts';
import { findCaller } from '../support/caller.ts';
import { countSockets } from '../support/daemons.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { findLeftovers, openHome, type Home } from '../support/home.ts';
import { createPlainUser, removePlainUser, toUserName } from '../support/plain-user.ts';

describe.each([{ subordinateIds: true }, { subordinateIds: false }])(
  'the daemon of a plain user (%o) that is killed',
  (options) => {
    const name = toUserName(`restart-${String(options.subordinateIds)}`);
    let home: Home;
    beforeAll(() => {
      createPlainUser(name, options);
    });
    afterAll(() => {
      removePlainUser(name);
    });
    beforeEach(async () => {
      home = await openHome({}, findCaller(name));
    });
    afterEach(() => home.close());

    const readHolder = () =>
      (JSON.parse(readFileSync(`${home.stateDir}/holder.json`, 'utf8')) as { pid: number }).pid;

    it('leaves its sandboxes to the next, which lists, enters and removes them', async () => {
      const [filled, empty] = [await home.createSandbox(), await home.createSandbox()];
      const names = [filled, empty];
      await home.run(['exec', filled, 'sh', '-c', 'echo kept > /workspace/file; echo > /usr/bin/own']);
      const [first, holder] = [readDaemon(home).pid, readHolder()];
      await killDaemon(home);

      const list = await home.run(['ls', '-q']);
      expect((list.stdout as unknown as string).split('\n').filter(Boolean).sort()).toEqual(names.sort());
      expect(readDaemon(home).pid).not.toBe(first);
      expect(readHolder()).toBe(holder);
      const script = 'cat /workspace/file; test -e /usr/bin/own && id -u';
      expect(await home.run(['exec', filled, 'sh', '-c', script])).toMatchObject({ stdout: 'kept\n0\n' });
      expect(await home.run(['exec', empty, 'ls', '/workspace'])).toMatchObject({ stdout: '', exitCode: 0 });
      expect(await home.run(['rm', ...names])).toMatchObject({ exitCode: 0, stderr: '' });
      expect(await home.run(['ls', '-q'])).toMatchObject({ stdout: '', exitCode: 0 });
    });

    it('takes its commands with it', async () => {
      const sandbox = await home.createSandbox();
      const mark = makeMark();
      const script = `setsid sleep 1000 & echo ${mark}; sleep 1000; : ${mark}`;
      const child = home.start(['exec', '--stream', '-n', sandbox, 'sh', '-c', script], { stdin: 'ignore' });
      const stdout = new ByteReader(child.stdout);
      child.stderr.resume();
      expect(await stdout.line()).toBe(mark);
      expect(findGuests(mark)).not.toEqual([]);
      await killDaemon(home);
      expect(await child).toMatchObject({ exitCode: 125 });
      await waitForGuestsToEnd(mark);
    });

    it('is followed by one that leaves nothing, when it stops with no sandbox', async () => {
      const sandbox = await home.createSandbox();
      await killDaemon(home);
      await home.run(['rm', sandbox]);
      await home.run(['daemon', 'stop']);
      expect(findLeftovers(home.stateDir)).toEqual([]);
    });

    it('loses its sandboxes with their namespaces, and the next says so and removes them', async () => {
      const sandbox = await home.createSandbox();
      const others = [...findSandboxInits(home), readHolder()].map((pid) => readProcessStat(pid)!);
      await killDaemon(home);
      for (const { pid } of others) process.kill(pid, 'SIGKILL');
      await waitUntil(() => others.every(hasEnded));
      const result = await home.run(['exec', sandbox, 'true']);
      expect(result).toMatchObject({ exitCode: 125, stdout: '' });
      expect(result.stderr).toContain(`Cannot exec in "${sandbox}": the sandbox is stopped`);
      expect(await home.run(['rm', sandbox])).toMatchObject({ exitCode: 0, stderr: '' });
    });
  },
);

/** Whoever comes then finds none, and not one that is about to go. */
async function killDaemon(home: Home): Promise<void> {
  const { pid, socket } = readDaemon(home);
  process.kill(pid, 'SIGKILL');
  await waitUntil(() => countSockets(socket) === 0);
}

function findSandboxInits({ stateDir }: Home): number[] {
  const ids = readdirSync(`${stateDir}/sandboxes`);
  return ids.map((id) => Number(readFileSync(`${stateDir}/sandboxes/${id}/init.pid`, 'utf8')));
}
