import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findDaemons } from '../../support/daemons.ts';
import { waitUntil } from '../../support/guests.ts';
import { openHome, type Home } from '../../support/home.ts';

let home: Home;
let directory: string;
/** A runtime of our own, which can be uninstalled. */
let runtime: string;

beforeEach(async () => {
  home = await openHome();
  directory = await mkdtemp(join(tmpdir(), 'sbx-runtime-'));
  runtime = join(directory, 'crun');
  // Its `delete` waits while `held` is there.
  const script = `
    case "$*" in *delete*)
      if test -e ${directory}/held; then touch ${directory}/asked; fi
      while test -e ${directory}/held; do sleep 0.05; done
    esac
    exec crun "$@"`;
  await writeFile(runtime, `#!/bin/sh\n${script}\n`);
  await chmod(runtime, 0o755);
});
afterEach(async () => {
  await rm(join(directory, 'held'), { force: true });
  await home.close();
  await rm(directory, { recursive: true });
});

const own = () => ({ env: { ...home.env, SBX_RUNTIME: runtime } });
const listDirectories = () => readdirSync(join(home.stateDir, 'sandboxes'));
const readLog = () => readFile(join(home.stateDir, 'daemon.log'), 'utf8');

/** Sandboxes as a server leaves them that is killed while execs run in them. */
async function leave(count: number): Promise<void> {
  for (let made = 0; made < count; made += 1) {
    expect(await home.run(['create'], own())).toMatchObject({ stderr: '', exitCode: 0 });
  }
  await home.run(['daemon', 'stop']);
  for (const id of listDirectories()) {
    const path = join(home.stateDir, 'sandboxes', id, 'record.json');
    const record = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...record, fresh: true }));
  }
}

it('a sandbox that cannot be removed keeps no server from starting', async () => {
  await leave(2);
  await rename(runtime, `${runtime}.gone`);
  expect(await home.run(['create', 'web', '--ttl', '1h'])).toMatchObject({ stderr: '', exitCode: 0 });
  expect(await home.run(['ls', '-q'])).toMatchObject({ stdout: 'web\n', exitCode: 0 });
  await waitUntil(async () => (await readLog()).split('Cannot remove the sandbox').length === 3);
  expect(listDirectories()).toHaveLength(3);

  expect(await home.run(['daemon', 'stop'])).toMatchObject({ exitCode: 0 });
  await rename(`${runtime}.gone`, runtime);
  expect(await home.run(['exec', 'web', 'echo', 'hi'])).toMatchObject({ stdout: 'hi\n', exitCode: 0 });
  await waitUntil(() => listDirectories().length === 1);
});

it('a server goes on a signal while it removes what another left', async () => {
  await leave(1);
  await writeFile(join(directory, 'held'), '');
  const server = home.start(['serve'], { stdin: 'ignore' });
  server.stdout.resume();
  server.stderr.resume();
  await waitUntil(() => existsSync(join(directory, 'asked')));
  process.kill(server.pid as number, 'SIGTERM');
  // Whatever it says: the signal has been taken by then.
  await home.run(['daemon', 'status']);
  await rm(join(directory, 'held'));
  expect(await server).toMatchObject({ exitCode: 0 });
  expect(findDaemons(home.stateDir)).toEqual([]);
  expect(listDirectories()).toEqual([]);
});

it('a server that cannot listen goes, whatever sandboxes have a time to live', async () => {
  expect(await home.run(['create', '--ttl', '1h'])).toMatchObject({ stderr: '', exitCode: 0 });
  await home.run(['daemon', 'stop']);
  // Nothing that is deleted to make room for a socket.
  const socket = join(home.stateDir, 'sbx.sock');
  await mkdir(join(socket, 'full'), { recursive: true });
  const { exitCode } = await home.run(['serve']);
  expect(exitCode).not.toBe(0);
  await rm(socket, { recursive: true });
});
