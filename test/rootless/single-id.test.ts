import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCaller } from '../support/caller.ts';
import { openHome, type Home } from '../support/home.ts';
import { createPlainUser, removePlainUser, toUserName } from '../support/plain-user.ts';

const NAME = toUserName('alone');
let home: Home;
let sandbox: string;

beforeAll(async () => {
  createPlainUser(NAME, { subordinateIds: false });
  home = await openHome({}, findCaller(NAME));
  sandbox = await home.createSandbox();
});
afterAll(async () => {
  await home.close();
  removePlainUser(NAME);
});

const sh = (script: string) => home.run(['exec', sandbox, 'sh', '-c', script]);

describe('a sandbox of a user without subordinate ids', () => {
  it('has root, who is that user outside', async () => {
    const result = await sh('id -u; id -g; cat /proc/self/uid_map; : > /workspace/file');
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect((result.stdout as unknown as string).split(/\s+/)).toEqual(['0', '0', '0', '0', '1', '']);
    const { caller } = home;
    const found = await home.run(['exec', '--stream', '-n', sandbox, 'sh', '-c', 'exec sleep 0']);
    expect(found).toMatchObject({ exitCode: 0 });
    const init = readFileSync(`${home.stateDir}/sandboxes/${await findId()}/init.pid`, 'utf8');
    expect(readFileSync(`/proc/${init}/status`, 'utf8')).toContain(`\nUid:\t${caller.uid}\t${caller.uid}\t`);
  });

  it.each([
    { user: 'nobody', kind: 'user', id: 65534 },
    { user: '1234:0', kind: 'user', id: 1234 },
    { user: 'root:users', kind: 'group', id: 100 },
  ])('has no other user: $user is refused with the reason', async ({ user, kind, id }) => {
    const result = await home.run(['exec', '-u', user, sandbox, 'id']);
    expect(result).toMatchObject({ exitCode: 126, stdout: '' });
    expect(result.stderr).toMatch(
      new RegExp(
        `^sbx: Cannot run as user "[^"]+": ${kind} ${id} is none of the ${kind}s that sandboxes can have here\n` +
          'sbx: hint: .*subordinate ids.*sbx doctor\n$',
      ),
    );
  });

  it('takes root by name and number', async () => {
    for (const user of ['root', '0', '0:0', 'root:root']) {
      expect(await home.run(['exec', '-u', user, sandbox, 'id', '-un'])).toMatchObject({ stdout: 'root\n' });
    }
  });

  it('can have things installed into the directories of this machine', async () => {
    const script = `set -e
      for dir in /usr/bin /usr/lib /usr/local/bin /usr/local/lib /usr/include /opt /etc; do
        echo '#!/bin/sh' > $dir/new; chmod 755 $dir/new; mkdir $dir/new.d; mv $dir/new $dir/newer
      done
      rm /usr/bin/env; ln -s /usr/bin/newer /usr/bin/env; env && echo done`;
    expect(await sh(script)).toMatchObject({ stdout: 'done\n', stderr: '', exitCode: 0 });
  });

  it('is told what to type for more users', async () => {
    const { stdout, exitCode } = await home.run(['doctor']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      new RegExp(
        `^note +users inside +root only: .*\n +type: sudo usermod --add-subuids \\S+ --add-subgids \\S+ ${NAME}$`,
        'm',
      ),
    );
  });
});

async function findId(): Promise<string> {
  const { stdout } = await home.run(['inspect', sandbox]);
  return (JSON.parse(stdout as unknown as string) as { id: string }).id;
}
