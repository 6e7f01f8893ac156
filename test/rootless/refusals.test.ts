import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findCaller } from '../support/caller.ts';
import { openHome, SBX, type Home } from '../support/home.ts';
import { createPlainUser, removePlainUser, toUserName } from '../support/plain-user.ts';

const NAME = toUserName('refused');
let home: Home;

beforeAll(() => {
  createPlainUser(NAME);
});
afterAll(() => {
  removePlainUser(NAME);
});
beforeEach(async () => {
  home = await openHome({}, findCaller(NAME));
});
afterEach(() => home.close());

/** A script as the plain user, on a machine that has no user namespace left to give: one that is in a user namespace. */
async function runWithoutNamespaces(script: string): Promise<{ output: string; code: number | null }> {
  const { uid, gid } = home.caller;
  const drop = `exec setpriv --reuid ${uid} --regid ${gid} --clear-groups sh -c "$SCRIPT" 2>&1`;
  const forbid = `echo 0 > /proc/sys/user/max_user_namespaces && ${drop}`;
  // Root of the namespace has its powers from the next program on.
  const child = spawn('unshare', ['--user', '--', 'sh', '-c', 'echo; read -r _; exec sh -c "$FORBID"'], {
    env: {
      ...home.env,
      PATH: `${dirname(SBX)}:${home.env['PATH'] ?? ''}`,
      SCRIPT: script,
      FORBID: forbid,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'readable');
  for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, '0 0 4294967295');
  child.stdin.end('go\n');
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { output: Buffer.concat(chunks).toString().trimStart(), code };
}

describe('where the kernel gives no user namespace', () => {
  it('a command says so, and where to look', async () => {
    const { output, code } = await runWithoutNamespaces('sbx exec -- true');
    expect(output).toMatch(
      /^sbx: Cannot make a user namespace, without which a plain user can have no sandboxes: .+\nsbx: hint: .*sbx doctor\n$/,
    );
    expect(code).toBe(125);
  });

  it('the doctor says why, and what to type', async () => {
    const { output, code } = await runWithoutNamespaces('sbx doctor');
    expect(output).toMatch(
      /^problem +user +uid \d+: .*; user.max_user_namespaces is 0\n +type: sudo sysctl -w user\.max_user_namespaces=/m,
    );
    expect(output).not.toContain('state directory cannot be used');
    expect(code).toBe(125);
  });

  it('setup says that no package would help', async () => {
    const { output, code } = await runWithoutNamespaces('sbx setup --yes');
    expect(output).toMatch(/^sbx: Nothing is missing, but no sandbox works: Cannot make a user namespace/);
    expect(output).toContain('sbx doctor');
    expect(code).toBe(125);
  });
});

describe('where no privileges can be gained', () => {
  it('newuidmap cannot work, and sandboxes have root alone', async () => {
    const { uid, gid } = home.caller;
    const words = ['--no-new-privs', '--reuid', String(uid), '--regid', String(gid), '--clear-groups', SBX];
    const run = async (...args: string[]) => {
      const child = spawn('setpriv', [...words, ...args], {
        env: home.env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
      return { stdout: Buffer.concat(stdout as Buffer[]).toString(), stderr: String(stderr[0] ?? '') };
    };
    expect(await run('exec', '--', 'id', '-u')).toEqual({ stdout: '0\n', stderr: '' });
    expect((await run('exec', '-u', 'nobody', '--', 'id')).stderr).toContain('Cannot run as user "nobody"');
    expect((await run('doctor')).stdout).toMatch(/^note +users inside +root only: .*no_new_privs/m);
  });
});
