import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readProcessStat } from '../../src/posix/process-stat.ts';
import { routes, type HealthAnswer } from '../../src/protocol/api.ts';
import { callApi, findExecs, readDaemon } from '../support/api.ts';
import { ByteReader } from '../support/byte-reader.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { CALLER, makeDirectory } from '../support/caller.ts';
import { serveHeld } from '../support/held-server.ts';
import { openHome, type Home } from '../support/home.ts';
import { countSockets, findDaemons } from '../support/daemons.ts';
import { MODES, runShell } from '../support/shell.ts';

let home: Home;

beforeEach(async () => {
  home = await openHome();
});
afterEach(() => home.close());

const ok = (stdout: string) => ({ stdout, stderr: '', exitCode: 0 });

describe('on a cold machine', () => {
  it('eight commands at the same instant share one daemon', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) => home.run(['create', `box-${index}`])),
    );
    for (const [index, { stdout, stderr, exitCode }] of results.entries())
      expect({ stdout, stderr, exitCode }).toEqual(ok(`box-${index}\n`));
    // Those that found the lock taken have left, or are about to.
    await expect.poll(() => findDaemons(home.stateDir), { timeout: 60_000 }).toEqual([readDaemon(home).pid]);
    const { body } = await callApi(home, 'GET', { path: '/api/v1/health' });
    expect((body as HealthAnswer).sandboxes).toBe(8);
  });

  it.each(MODES)('a pipeline ends when the command has, $mode', async ({ flags }) => {
    const { stdout, stderr } = await runShell(
      home,
      'sbx exec "$@" -- echo hi | cat; echo "${PIPESTATUS[0]}"',
      flags,
    );
    expect({ stdout, stderr }).toEqual({ stdout: 'hi\n0\n', stderr: '' });
  });

  it('a command substitution of both streams ends, and descriptors of the caller are not kept', async () => {
    const script = 'exec 7> >(cat); out=$(sbx exec -- echo hi 2>&1); exec 7>&-; wait; echo "[$out]"';
    expect(await runShell(home, script)).toEqual(ok('[hi]\n'));
  });

  it('an interrupt of the whole process group does not end the daemon', async () => {
    const child = home.start(['exec', '--stream', '-n', '--', 'sh', '-c', 'echo ready; exec sleep 1000'], {
      detached: true,
      stdin: 'ignore',
    });
    const stdout = new ByteReader(child.stdout);
    child.stderr.resume();
    expect(await stdout.line()).toBe('ready');
    const { pid } = readDaemon(home);
    process.kill(-(child.pid as number), 'SIGINT');
    expect(await child).toMatchObject({ exitCode: 130 });
    expect(await home.run(['ls', '-q'])).toMatchObject({ exitCode: 0 });
    expect(readDaemon(home).pid).toBe(pid);
  });

  it('the daemon has a session, a directory and an environment of its own', async () => {
    await home.run(['ls'], { env: { ...home.env, SECRET: 'caller' } });
    const { pid } = readDaemon(home);
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    expect(environment).not.toContain('SECRET');
    const [, , , session] = (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] as string).split(' ');
    expect(Number(session)).toBe(pid);
  });

  it('the state directory is private, and so is all that lies in it', async () => {
    await home.run(['ls']);
    const { socket } = readDaemon(home);
    const modeOf = (path: string) => statSync(path).mode & 0o777;
    expect(modeOf(home.stateDir)).toBe(0o700);
    expect(modeOf(socket)).toBe(0o600);
    expect(modeOf(join(home.stateDir, 'daemon.json'))).toBe(0o600);
    expect(modeOf(join(home.stateDir, 'daemon.log'))).toBe(0o600);
  });
});

describe('sbx serve', () => {
  const serve = (...args: string[]) => home.start(['serve', ...args], { stdin: 'ignore' });
  const isUp = async () => (await home.run(['daemon', 'status'])).exitCode === 0;

  it('goes when it has been idle, and takes its socket along', async () => {
    const server = serve('--idle-exit', '300ms');
    server.stdout.resume();
    server.stderr.resume();
    expect(await server).toMatchObject({ exitCode: 0 });
    expect(await readdir(home.stateDir)).not.toContain('sbx.sock');
    expect(await readdir(home.stateDir)).not.toContain('daemon.json');
  });

  it('stays while an exec runs, and while a sandbox waits for its time to come', async () => {
    const { server, release } = await serveHeld(home);
    const exec = { id: randomUUID(), argv: ['sleep', '1.2'], detached: true };
    const brief = { name: 'brief', ttl_ms: 1500 };
    expect(await callApi(home, 'POST', { path: routes.execs, json: exec })).toMatchObject({ status: 201 });
    expect(await callApi(home, 'POST', { path: routes.sandboxes, json: brief })).toMatchObject({
      status: 201,
    });
    release();
    expect(await server).toMatchObject({ exitCode: 0 });
    const record = readFileSync(join(home.stateDir, 'execs', exec.id, 'record.json'), 'utf8');
    expect(JSON.parse(record)).toMatchObject({ state: 'exited', exit: { code: 0 }, reason: 'exited' });
    expect(await readdir(join(home.stateDir, 'sandboxes'))).toEqual([]);
  });

  it('leaves sandboxes to the next', async () => {
    const { server, release } = await serveHeld(home);
    await home.createSandbox('web');
    release();
    expect(await server).toMatchObject({ exitCode: 0 });
    expect(await home.run(['exec', 'web', 'echo', 'hi'])).toMatchObject(ok('hi\n'));
  });

  it('stays while what an exec left in the background can still write to it', async () => {
    const server = serve('--idle-exit', '5s');
    server.stdout.resume();
    server.stderr.resume();
    await waitUntil(isUp);
    const sandbox = await home.createSandbox();
    const script = 'sh -c "sleep 12; echo late && touch /tmp/done" &';
    expect(await home.run(['exec', sandbox, '--', 'sh', '-c', script])).toMatchObject({ exitCode: 0 });
    expect(await server).toMatchObject({ exitCode: 0 });
    expect(await home.run(['exec', sandbox, 'test', '-e', '/tmp/done'])).toMatchObject({ exitCode: 0 });
  });

  it('ends at once where another runs', async () => {
    await home.run(['ls']);
    const { pid } = readDaemon(home);
    expect(await home.run(['serve'])).toMatchObject({ exitCode: 0 });
    expect(readDaemon(home).pid).toBe(pid);
    expect(await home.run(['ls'])).toMatchObject({ exitCode: 0 });
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('ends on %s, and what runs with it', async (signal) => {
    const mark = makeMark();
    const server = serve('--stop-timeout', '100ms');
    server.stdout.resume();
    server.stderr.resume();
    await waitUntil(isUp);
    await home.createSandbox('web');
    const child = home.start([
      'exec',
      '--stream',
      '-n',
      'web',
      'sh',
      '-c',
      `echo ready; sleep 1000; : ${mark}`,
    ]);
    const stdout = new ByteReader(child.stdout);
    child.stderr.resume();
    expect(await stdout.line()).toBe('ready');
    process.kill(readDaemon(home).pid, signal);
    expect(await server).toMatchObject({ exitCode: 0 });
    expect(await child).toMatchObject({ exitCode: 143 });
    expect(findGuests(mark)).toEqual([]);
    expect(await findEnded(mark)).toMatchObject([
      { state: 'exited', exit: { signal: 'TERM' }, reason: 'killed' },
    ]);
  });

  /** Of the next daemon, which is started for it. */
  async function findEnded(mark: string) {
    await home.run(['ls']);
    return findExecs(home, mark);
  }
});

describe('sbx daemon', () => {
  it('tells whether it runs, and never starts it', async () => {
    expect(await home.run(['daemon', 'status'])).toMatchObject({ stdout: 'not running\n', exitCode: 1 });
    expect(await home.run(['daemon', 'stop'])).toMatchObject(ok(''));
    expect(findDaemons(home.stateDir)).toEqual([]);
    await home.createSandbox();
    const { pid, socket } = readDaemon(home);
    const { stdout, exitCode } = await home.run(['daemon', 'status']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      new RegExp(
        `^running: pid ${pid}, version .+, runtime .+, up \\d+ s, 1 sandboxes, 0 execs\nsocket: ${socket}\n$`,
      ),
    );
  });

  it('stops it, and the sandboxes stay', async () => {
    const name = await home.createSandbox();
    const mark = makeMark();
    await home.run(['exec', name, 'sh', '-c', `sh -c 'sleep 300; : ${mark}' >/dev/null 2>&1 &`]);
    expect(await home.run(['daemon', 'stop'])).toMatchObject(ok(''));
    expect(findDaemons(home.stateDir)).toEqual([]);
    expect(await readdir(home.stateDir)).not.toContain('sbx.sock');
    expect(findGuests(mark)).not.toEqual([]);
    expect(await home.run(['exec', name, 'hostname'])).toMatchObject(ok(`${name}\n`));
  });

  it('restarts it', async () => {
    const name = await home.createSandbox();
    const { pid } = readDaemon(home);
    expect(await home.run(['daemon', 'restart'])).toMatchObject(ok(''));
    expect(readDaemon(home).pid).not.toBe(pid);
    expect(findDaemons(home.stateDir)).toEqual([readDaemon(home).pid]);
    expect(await home.run(['ls', '-q'])).toMatchObject(ok(`${name}\n`));
  });

  it('ends what runs when it is stopped, unless only an idle one was to be', async () => {
    const name = await home.createSandbox();
    const child = home.start(['exec', '--stream', '-n', name, 'sh', '-c', 'echo ready; exec sleep 1000']);
    const stdout = new ByteReader(child.stdout);
    child.stderr.resume();
    expect(await stdout.line()).toBe('ready');
    const refused = await home.run(['daemon', 'stop', '--if-idle']);
    expect(refused.exitCode).toBe(125);
    expect(refused.stderr).toMatch(/^sbx: Cannot stop the daemon: it runs 1 exec.*\nsbx: hint: .+\n$/);
    expect(await home.run(['daemon', 'stop'])).toMatchObject(ok(''));
    expect(await child).toMatchObject({ exitCode: 143 });
  });
});

describe('a daemon that is killed', () => {
  it('ends its guests by that; sandboxes are listed, usable and removable, execs are lost', async () => {
    const [kept, other] = [await home.createSandbox(), await home.createSandbox()];
    const mark = makeMark();
    await home.run(['exec', kept, 'sh', '-c', 'echo state > /workspace/file']);
    const script = `trap "" HUP TERM INT; echo ready; while :; do sleep 0.1; done # ${mark}`;
    const child = home.start(['exec', '--stream', '-n', kept, 'sh', '-c', script]);
    const stdout = new ByteReader(child.stdout);
    const stderr = new ByteReader(child.stderr).rest();
    expect(await stdout.line()).toBe('ready');
    process.kill(readDaemon(home).pid, 'SIGKILL');

    expect(await child).toMatchObject({ exitCode: 125 });
    expect((await stderr).toString()).toMatch(/^sbx: session ended without exit event: .+\nsbx: hint: .+\n$/);
    await waitForGuestsToEnd(mark);

    const { stdout: names } = await home.run(['ls', '-q']);
    expect((names as unknown as string).trim().split('\n').sort()).toEqual([kept, other].sort());
    expect(await home.run(['exec', kept, 'cat', 'file'])).toMatchObject(ok('state\n'));
    expect(await findExecs(home, mark)).toMatchObject([{ state: 'lost', exit: null, reason: 'lost' }]);
    expect(await home.run(['rm', kept, other])).toMatchObject(ok(''));
    expect(await readdir(join(home.stateDir, 'sandboxes'))).toEqual([]);
  });

  it('leaves the fresh sandbox of its exec to the next, which removes it', async () => {
    const mark = makeMark();
    const child = home.start(['exec', '-n', '--', 'sh', '-c', `sleep 1000; : ${mark}`]);
    child.stdout.resume();
    child.stderr.resume();
    await waitUntil(() => findGuests(mark).length > 0);
    process.kill(readDaemon(home).pid, 'SIGKILL');
    expect(await child).toMatchObject({ exitCode: 125 });
    expect(await home.run(['ls', '-q'])).toMatchObject(ok(''));
    await waitUntil(async () => (await readdir(join(home.stateDir, 'sandboxes'))).length === 0);
    expect(findGuests(mark)).toEqual([]);
  });
});

describe('what lies in the state directory', () => {
  it.each([
    { what: 'that is no JSON', text: '{"schema":1,"inst' },
    { what: 'that is empty', text: '' },
    { what: 'that is null', text: 'null' },
    { what: 'without a socket', text: '{"schema":1}' },
    {
      what: 'of a daemon that is gone',
      text: '{"schema":1,"instance":"x","pid":1,"version":"0","socket":"/none"}',
    },
  ])('may be a daemon.json $what', async ({ text }) => {
    await writeFile(join(home.stateDir, 'daemon.json'), text);
    expect(await home.run(['daemon', 'status'])).toMatchObject({ stdout: 'not running\n', exitCode: 1 });
    expect(await home.run(['ls', '-q'])).toMatchObject(ok(''));
    expect(findDaemons(home.stateDir)).toEqual([readDaemon(home).pid]);
  });

  it('may be a daemon.json that broke under a daemon that lives', async () => {
    await home.createSandbox('web');
    const path = join(home.stateDir, 'daemon.json');
    const text = readFileSync(path);
    writeFileSync(path, 'broken');
    const { stdout, stderr, exitCode } = await home.run(['ls', '-q']);
    writeFileSync(path, text);
    // Either way is right: to find the daemon all the same, or to say at once what is wrong with the file.
    if (exitCode === 0) expect({ stdout, stderr }).toEqual({ stdout: 'web\n', stderr: '' });
    else
      expect({ exitCode, stderr }).toEqual({
        exitCode: 125,
        stderr: expect.stringContaining(path) as string,
      });
    expect(findDaemons(home.stateDir)).toHaveLength(1);
  });

  it('may be a socket that nobody listens on', async () => {
    await home.run(['ls']);
    const { pid, socket } = readDaemon(home);
    process.kill(pid, 'SIGKILL');
    await waitUntil(() => findDaemons(home.stateDir).length === 0);
    // Another of its threads may hold the socket for a moment longer.
    await waitUntil(() => countSockets(socket) === 0);
    expect(await readdir(home.stateDir)).toContain('sbx.sock');
    expect(await home.run(['ls'])).toMatchObject({ stderr: '', exitCode: 0 });
  });

  it('may have a path that is too long for a socket', async () => {
    const long = join(home.stateDir, 'd'.repeat(60), 'e'.repeat(60));
    await mkdir(join(home.stateDir, 'd'.repeat(60)));
    await chown(join(home.stateDir, 'd'.repeat(60)), CALLER.uid, CALLER.gid);
    const env = { ...home.env, SBX_STATE_DIR: long };
    expect(await home.run(['create', 'web'], { env })).toMatchObject(ok('web\n'));
    const { socket } = JSON.parse(readFileSync(join(long, 'daemon.json'), 'utf8')) as { socket: string };
    expect(Buffer.byteLength(socket)).toBeLessThan(108);
    expect(await home.run(['exec', 'web', 'echo', 'hi'], { env })).toMatchObject(ok('hi\n'));
    expect(await home.run(['rm', 'web'], { env })).toMatchObject(ok(''));
    expect(await home.run(['daemon', 'stop'], { env })).toMatchObject(ok(''));
    expect(existsSync(socket)).toBe(false);
  });
});

describe('a daemon of another version', () => {
  /** As if the one that runs had written it. */
  async function pretendOther(): Promise<number> {
    await home.createSandbox('web');
    const path = join(home.stateDir, 'daemon.json');
    const file = JSON.parse(readFileSync(path, 'utf8')) as { pid: number };
    writeFileSync(path, JSON.stringify({ ...file, version: '0.0.0-other' }));
    return file.pid;
  }

  it('is replaced without a word when it is idle', async () => {
    const pid = await pretendOther();
    expect(await home.run(['ls', '-q'])).toMatchObject(ok('web\n'));
    expect(readDaemon(home).pid).not.toBe(pid);
    expect(findDaemons(home.stateDir)).toEqual([readDaemon(home).pid]);
  });

  it('is replaced without a word when another client has stopped it before', async () => {
    const pid = await pretendOther();
    const place = join(home.stateDir, 'daemon.json');
    const file = JSON.parse(readFileSync(place, 'utf8')) as Record<string, unknown>;
    expect(await home.run(['daemon', 'stop'])).toMatchObject({ exitCode: 0 });
    expect(pid).toBe(file['pid']);
    // It closes its connections, and ends a moment later.
    const old = execa('sleep', ['1000'], { reject: false });
    const socket = join(home.stateDir, 'old.sock');
    const server = createServer((client) => {
      client.on('error', () => undefined);
      client.once('data', () => {
        server.close();
        client.destroy();
        setTimeout(() => old.kill(), 100);
      });
    }).listen(socket);
    await once(server, 'listening');
    await chown(socket, home.caller.uid, home.caller.gid);
    const { startTime } = readProcessStat(old.pid!)!;
    writeFileSync(place, JSON.stringify({ ...file, pid: old.pid, start_time: startTime, socket }));
    expect(await home.run(['ls', '-q'])).toMatchObject(ok('web\n'));
    expect(findDaemons(home.stateDir)).toEqual([readDaemon(home).pid]);
  });

  it('goes on serving when it is busy', async () => {
    const pid = await pretendOther();
    const { body } = await callApi(home, 'GET', { path: '/api/v1/sandboxes' });
    expect(body).toMatchObject({ sandboxes: [{ name: 'web' }] });
    const start = { id: crypto.randomUUID(), sandbox: 'web', argv: ['sleep', '1000'] };
    expect(await callApi(home, 'POST', { path: '/api/v1/execs', json: start })).toMatchObject({
      status: 201,
    });
    expect(await home.run(['exec', 'web', 'echo', 'hi'])).toMatchObject(ok('hi\n'));
    expect(readDaemon(home).pid).toBe(pid);
  });
});

describe('a state directory that is not ours alone', () => {
  let stateDir: string;

  beforeEach(async () => {
    stateDir = await makeDirectory('sbx-test-foreign-');
  });
  afterEach(() => rm(stateDir, { recursive: true }));

  const commands = [['ls'], ['exec', '--', 'true'], ['serve']];
  const runThere = (args: string[]) => home.run(args, { env: { ...home.env, SBX_STATE_DIR: stateDir } });

  it.each(commands)('is refused when others may enter it: %s', async (...args) => {
    await chmod(stateDir, 0o755);
    const { stdout, stderr, exitCode } = await runThere(args);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toBe(
      `sbx: ${stateDir} is open to others (mode 755)\nsbx: hint: Close it with: chmod 700 ${stateDir}\n`,
    );
    expect(await readdir(stateDir)).toEqual([]);
  });

  it.each(commands)('is refused when it belongs to another: %s', async (...args) => {
    await chown(stateDir, 12345, 12345);
    const { stdout, stderr, exitCode } = await runThere(args);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toBe(
      `sbx: ${stateDir} belongs to uid 12345, not to uid ${CALLER.uid}\nsbx: hint: Choose another with SBX_STATE_DIR\n`,
    );
    expect(await readdir(stateDir)).toEqual([]);
  });

  it('has nothing written through its links', async () => {
    const target = join(home.stateDir, 'precious');
    await writeFile(target, 'precious');
    await symlink(target, join(stateDir, 'daemon.log'));
    await chown(stateDir, 12345, 12345);
    expect(await runThere(['ls'])).toMatchObject({ exitCode: 125 });
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it('is not believed in what it says of a daemon', async () => {
    await home.createSandbox('web');
    const real = readFileSync(join(home.stateDir, 'daemon.json'));
    await writeFile(join(stateDir, 'daemon.json'), real);
    await chown(stateDir, 12345, 12345);
    expect(await runThere(['ls', '-q'])).toMatchObject({ stdout: '', exitCode: 125 });
  });
});
