import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDaemon } from '../support/api.ts';
import { ByteReader } from '../support/byte-reader.ts';
import { findCaller, toSpawnOptions, type Caller } from '../support/caller.ts';
import { startDetachedShell } from '../support/detached.ts';
import { findGuests, makeMark, waitUntil } from '../support/guests.ts';
import { openHome, SBX, type Home } from '../support/home.ts';
import { createPlainUser, removePlainUser, toUserName } from '../support/plain-user.ts';

const [ANN, BOB] = [toUserName('ann'), toUserName('bob')];
let ann: Home;
let bob: Home;
let sandbox: string;

beforeAll(async () => {
  for (const name of [ANN, BOB]) createPlainUser(name);
  [ann, bob] = [await openHome({}, findCaller(ANN)), await openHome({}, findCaller(BOB))];
  sandbox = await ann.createSandbox('web');
  await ann.run(['exec', sandbox, 'sh', '-c', 'echo secret > /workspace/file; chmod 666 /workspace/file']);
});
afterAll(async () => {
  await ann.close();
  await bob.close();
  for (const name of [ANN, BOB]) removePlainUser(name);
});

/** A shell script as one of them, in which `sbx` is this build; its output and status. */
async function runAs(caller: Caller, script: string, env: Record<string, string> = {}) {
  const options = { ...toSpawnOptions(caller), extendEnv: false, reject: false, stdin: 'ignore' } as const;
  const path = `${dirname(SBX)}:${process.env['PATH'] ?? ''}`;
  const { all, exitCode } = await execa('sh', ['-c', script], {
    ...options,
    all: true,
    env: { PATH: path, HOME: caller.home, ...env },
  });
  return { output: all, exitCode };
}

describe('of two users, the one', () => {
  it('lists nothing of the other, and may use the same name', async () => {
    expect(await bob.run(['ls', '-q'])).toMatchObject({ stdout: '', exitCode: 0 });
    expect(await bob.run(['exec', sandbox, 'true'])).toMatchObject({ exitCode: 125 });
    expect(await bob.run(['create', sandbox])).toMatchObject({ stdout: 'web\n', exitCode: 0 });
    expect(await bob.run(['exec', sandbox, 'ls', '/workspace'])).toMatchObject({ stdout: '', exitCode: 0 });
    expect(await bob.run(['rm', sandbox])).toMatchObject({ exitCode: 0 });
    expect(await ann.run(['exec', sandbox, 'cat', 'file'])).toMatchObject({ stdout: 'secret\n' });
  });

  it.each([['ls'], ['exec', 'web', 'cat', 'file'], ['rm', 'web'], ['daemon', 'stop'], ['serve']])(
    "is refused the other's state directory: sbx %s %s",
    async (...words) => {
      const result = await bob.run(words, { env: { ...bob.env, SBX_STATE_DIR: ann.stateDir } });
      expect(result).toMatchObject({ exitCode: 125, stdout: '' });
      expect(result.stderr).toContain(`${ann.stateDir} belongs to uid ${ann.caller.uid}, not to uid`);
      expect(await ann.run(['ls', '-q'])).toMatchObject({ stdout: 'web\n' });
    },
  );

  it("knows nothing of the other's execs, by their ids either", async () => {
    const id = await startDetachedShell(ann, sandbox, ['echo secret; exec sleep 1000']);
    expect(String((await bob.run(['ps', '--all', '-q'])).stdout)).not.toContain(id);
    for (const words of [['logs'], ['attach'], ['wait'], ['kill'], ['rm', '--exec']]) {
      const { stdout, stderr, exitCode } = await bob.run([...words, id]);
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
      expect(stderr).toContain(`There is no exec ${id}`);
    }
    const { socket } = readDaemon(ann);
    const there = await bob.run(['logs', '--host', `unix://${socket}`, id]);
    expect(there).toMatchObject({ stdout: '', exitCode: 125 });
    expect(there.stderr).toMatch(/^sbx: .*(EACCES|permission denied).*\nsbx: hint: .+\n$/i);
    await waitUntil(async () => String((await ann.run(['logs', id])).stdout) === 'secret\n');
    await ann.run(['kill', id]);
    expect(await ann.run(['wait', id])).toMatchObject({ exitCode: 143 });
  });

  it("does not reach the other's socket", async () => {
    const { socket } = readDaemon(ann);
    const script = `import socket; socket.socket(socket.AF_UNIX).connect("${socket}")`;
    const { output, exitCode } = await runAs(bob.caller, `python3 -c '${script}'`);
    expect(exitCode).not.toBe(0);
    expect(output).toContain('PermissionError');
    expect((await runAs(ann.caller, `python3 -c '${script}'`)).exitCode).toBe(0);
  });

  it("does not reach the other's files", async () => {
    const [id] = readdirSync(join(ann.stateDir, 'sandboxes'));
    const file = join(ann.stateDir, 'sandboxes', id as string, 'rootfs/workspace/file');
    expect(await runAs(ann.caller, `cat ${file}`)).toMatchObject({ output: 'secret', exitCode: 0 });
    for (const script of [`cat ${file}`, `ls ${ann.stateDir}`, `cat ${ann.stateDir}/daemon.json`]) {
      const { output, exitCode } = await runAs(bob.caller, script);
      expect(exitCode).not.toBe(0);
      expect(output).toContain('Permission denied');
    }
  });

  it.each([{ user: 'root' }, { user: 'www-data' }])(
    "does not reach the other's processes: a command of $user",
    async ({ user }) => {
      const mark = makeMark();
      const script = `echo ready; exec sh -c 'sleep 1000; : ${mark}'`;
      const child = ann.start(['exec', '--stream', '-n', '-u', user, sandbox, 'sh', '-c', script], {
        stdin: 'ignore',
      });
      const stdout = new ByteReader(child.stdout);
      child.stderr.resume();
      expect(await stdout.line()).toBe('ready');
      // For a moment it has no words, while it becomes the next program.
      await waitUntil(() => findGuests(mark).length > 0);
      const daemon = readDaemon(ann).pid;
      const pids = [...findGuests(mark), daemon];
      expect(pids.length).toBeGreaterThan(1);
      for (const pid of pids) {
        const attempts = [
          `kill -KILL ${pid}`,
          `cat /proc/${pid}/environ`,
          `ls /proc/${pid}/root/`,
          `ls /proc/${pid}/fd/`,
          `nsenter --target ${pid} --user --mount --preserve-credentials true`,
          `unshare -Ur nsenter --target ${pid} --mount true`,
          `unshare -Ur kill -KILL ${pid}`,
        ];
        for (const attempt of attempts) {
          const { output, exitCode } = await runAs(bob.caller, attempt);
          expect({ attempt, isRefused: exitCode !== 0 }).toEqual({ attempt, isRefused: true });
          expect(output).toMatch(/Permission denied|Operation not permitted/);
        }
      }
      child.kill('SIGTERM');
      expect(await child).toMatchObject({ exitCode: 143 });
    },
  );

  it('is not root inside for the files of the other', async () => {
    const own = await bob.createSandbox();
    const { stdout } = await bob.run(['exec', own, 'ls', ann.stateDir]);
    expect(stdout).toBe('');
    const guests = await bob.run(['exec', own, 'sh', '-c', 'ls -d /proc/[0-9]* | wc -l']);
    expect(Number(guests.stdout)).toBeLessThan(10);
    await bob.run(['rm', own]);
  });
});
