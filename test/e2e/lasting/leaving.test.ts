import { once } from 'node:events';
import { chown, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { findExecs, readDaemon } from '../../support/api.ts';
import { CALLER, makeDirectory } from '../../support/caller.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { makeMark, waitUntil } from '../../support/guests.ts';
import { makeHeldRuntime } from '../../support/held-runtime.ts';
import { openHome, useHome, useSandbox, type Home } from '../../support/home.ts';
import { runShell } from '../../support/shell.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);

/** Who is missed is waited for as long as no test does. */
const LONG = ['--reconnect-grace', '1h'];

async function untilClientGone(mark: string, its = home): Promise<void> {
  await waitUntil(async () => (await findExecs(its, mark))[0]?.reason === 'client_gone');
}

/** Takes all that one client says, and passes it on when that has gone. */
async function openHolder(target: string) {
  const directory = await makeDirectory('holder-');
  const path = join(directory, 'holder.sock');
  let tellOpened: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    tellOpened = resolve;
  });
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('data', (bytes: Buffer) => {
      if (bytes.includes('"argv"')) tellOpened();
    });
    void buffer(client).then((said) =>
      connect(target)
        .on('error', () => undefined)
        .end(said),
    );
  }).listen(path);
  await once(server, 'listening');
  await chown(path, CALLER.uid, CALLER.gid);
  const close = async (): Promise<void> => {
    server.close();
    await rm(directory, { recursive: true });
  };
  return { host: `unix://${path}`, opened, close };
}

it.each(['kill', 'keep'])(
  'a command whose client was ended before the server had answered is not waited with, --on-disconnect %s',
  async (what) => {
    const mark = makeMark();
    const holder = await openHolder(readDaemon(home).socket);
    const via: Home = toVia(home, holder.host);
    const options = ['-n', ...LONG, '--on-disconnect', what];
    const child = via.start(['exec', ...options, sandbox, '--', 'sh', '-c', `exec sleep 3600; : ${mark}`]);
    await holder.opened;
    child.kill('SIGTERM');
    expect(await child).toMatchObject({ exitCode: 143 });
    await untilClientGone(mark);
    await holder.close();
  },
);

/** Who leaves has not been cut off: nothing is kept for it. */
const ROADS = ['kill', 'keep'].flatMap((what) => [
  { road: 'on a channel', what, refusesUpgrades: false },
  { road: 'over plain HTTP', what, refusesUpgrades: true },
]);

it.each(ROADS)(
  'a command whose client was ended while its sandbox was made is not waited with, $road, $what',
  async ({ refusesUpgrades, what }) => {
    const mark = makeMark();
    const directory = await makeDirectory('runtime-');
    const runtime = await makeHeldRuntime(directory);
    const other = await openHome({ SBX_RUNTIME: runtime.path });
    await other.createSandbox();
    const proxy = await ChaosProxy.open({ upstream: () => readDaemon(other).socket, refusesUpgrades });
    await execa('mkfifo', [runtime.hold]);
    const command = ['sh', '-c', `exec sleep 3600; : ${mark}`];
    const child = toVia(other, proxy.tcpHost).start([
      'exec',
      '-n',
      ...LONG,
      '--on-disconnect',
      what,
      '--',
      ...command,
    ]);
    await waitUntil(runtime.isHeld);
    child.kill('SIGTERM');
    expect(await child).toMatchObject({ exitCode: 143 });
    await writeFile(runtime.hold, 'go on\n');
    await untilClientGone(mark, other);
    await proxy.close();
    await other.close();
    await rm(directory, { recursive: true });
  },
);

it.each(ROADS)(
  'a command whose client cannot go on is not waited with, $road, $what',
  async ({ refusesUpgrades, what }) => {
    const mark = makeMark();
    const proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket, refusesUpgrades });
    const script = 'sbx exec "$@" </';
    const command = ['sh', '-c', `exec sleep 3600; : ${mark}`];
    const via = toVia(home, proxy.tcpHost);
    const { stderr, exitCode } = await runShell(via, script, [
      ...LONG,
      '--on-disconnect',
      what,
      sandbox,
      '--',
      ...command,
    ]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(/^sbx: Cannot read stdin: EISDIR.*\nsbx: hint: The command was ended/);
    await untilClientGone(mark);
    await proxy.close();
  },
);
