import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { routes, type ExecRecord, type HealthAnswer } from '../../../src/protocol/api.ts';
import { ByteReader } from '../../support/byte-reader.ts';
import { callApi, findExecs, readDaemon } from '../../support/api.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { findDaemons } from '../../support/daemons.ts';
import { release, startDetachedShell, toBuffer, toWait } from '../../support/detached.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../../support/guests.ts';
import { openHome, type Home } from '../../support/home.ts';
import { expectEnd, expectSameBytes, startStreaming, toNumbers } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

let home: Home;
let mark: string;

beforeEach(async () => {
  home = await openHome();
  mark = makeMark();
});
afterEach(() => home.close());

/** A server in the foreground, which listens. */
async function serve(...args: string[]): Promise<{ server: ReturnType<Home['start']> }> {
  const server = home.start(['serve', ...args], { stdin: 'ignore' });
  server.stdout.resume();
  server.stderr.resume();
  await waitUntil(() => existsSync(join(home.stateDir, 'daemon.json')));
  // In an object: it is a promise of its own end.
  return { server };
}

/** A shell script that runs, and has said so. */
async function startShell(sandbox: string, script: string, options: readonly string[] = ['-n']) {
  const run = startStreaming(home, [
    ...options,
    sandbox,
    '--',
    'sh',
    '-c',
    // Without what the shell says of its children that a signal to the group has ended.
    `exec 2>/dev/null; echo ready; ${script} # ${mark}`,
  ]);
  expect(await run.stdout.line()).toBe('ready');
  return run;
}

/** By the socket of the daemon that was there, so that no other is started. */
const toSocket = (): Home => toVia(home, `unix://${readDaemon(home).socket}`);

async function readInstance(): Promise<string> {
  const { body } = await callApi(home, 'GET', { path: routes.health });
  return (body as HealthAnswer).instance;
}

/** Refusals begin in the turn of the loop that takes the signal. */
async function waitUntilRefusing(via: Home, sandbox: string) {
  for (;;) {
    const refused = await via.run(['exec', sandbox, 'true']);
    if (refused.exitCode !== 0) return refused;
  }
}

const toRefusal = (what: string) => ({
  stdout: '',
  stderr: `sbx: Cannot ${what}: the server is stopping\nsbx: hint: Try again in a moment\n`,
  exitCode: 125,
});

describe('a server that gets SIGTERM', () => {
  it('lets an exec end by itself whose client waits, and refuses what is new', async () => {
    const { server } = await serve('--stop-timeout', '1h');
    const sandbox = await home.createSandbox();
    const via = toSocket();
    const run = await startShell(sandbox, `read -r word; seq 100000000 100300000; exit 7`, []);
    server.kill('SIGTERM');
    expect(await waitUntilRefusing(via, sandbox)).toMatchObject(toRefusal('start an exec'));
    expect(await via.run(['exec', '-d', sandbox, 'true'])).toMatchObject(toRefusal('start an exec'));
    expect(await via.run(['exec', '--', 'true'])).toMatchObject(toRefusal('start an exec'));
    expect(await via.run(['create'])).toMatchObject(toRefusal('make a sandbox'));
    const start = { id: randomUUID(), sandbox, argv: ['true'] };
    expect(await callApi(home, 'POST', { path: routes.execs, json: start })).toMatchObject({
      status: 503,
      body: { error: { code: 'shutting_down' } },
    });
    run.child.stdin.end('go\n');
    const { stdout, ...end } = await run.finish();
    expectEnd({ ...end, stdout: Buffer.alloc(0) }, { status: 7 });
    expectSameBytes(stdout, toNumbers(300_001 * 10));
    expect(await server).toMatchObject({ exitCode: 0 });
    await home.run(['ls']);
    expect(await findExecs(home, mark)).toMatchObject([{ state: 'exited', reason: 'exited' }]);
  });

  it('can still be attached to, and told to end what runs', async () => {
    const { server } = await serve('--stop-timeout', '1h');
    const sandbox = await home.createSandbox();
    const via = toSocket();
    const run = await startShell(sandbox, 'exec sleep 1000');
    server.kill('SIGTERM');
    await waitUntilRefusing(via, sandbox);
    const [{ id }] = (await findExecs(home, mark)) as [ExecRecord];
    const watching = via.start(['attach', '-n', '--from', 'start', '--json', id], { stdin: 'ignore' });
    watching.stderr.resume();
    const events = new ByteReader(watching.stdout);
    expect(JSON.parse(await events.line())).toMatchObject({ event: 'attached' });
    expect(await via.run(['kill', id])).toMatchObject({ stderr: '', exitCode: 0 });
    expectEnd(await run.finish(), { status: 143 });
    await events.rest();
    expect(await watching).toMatchObject({ exitCode: 143 });
    expect(await server).toMatchObject({ exitCode: 0 });
  });

  it.each([
    { what: 'dies of TERM', script: 'exec sleep 1000', killAfter: '1h', status: 143, stdout: '' },
    {
      what: 'makes something of TERM',
      script: 'trap "echo bye; exit 9" TERM; while :; do sleep 0.05; done',
      killAfter: '1h',
      status: 9,
      stdout: 'bye\n',
    },
    {
      what: 'does not end on TERM',
      script: 'trap "" TERM; while :; do sleep 0.05; done',
      killAfter: '1s',
      status: 137,
      stdout: '',
    },
  ])('ends an exec that outlasts --stop-timeout and $what', async ({ script, killAfter, status, stdout }) => {
    const { server } = await serve('--stop-timeout', '1s');
    const run = await startShell(await home.createSandbox(), script, ['-n', '--kill-after', killAfter]);
    server.kill('SIGTERM');
    expectEnd(await run.finish(), { status, stdout });
    expect(await server).toMatchObject({ exitCode: 0 });
    expect(findGuests(mark)).toEqual([]);
    await home.run(['ls']);
    expect(await findExecs(home, mark)).toMatchObject([{ state: 'exited', reason: 'killed' }]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('waits no longer when %s follows', async (second) => {
    const { server } = await serve('--stop-timeout', '1h');
    const sandbox = await home.createSandbox();
    const via = toSocket();
    const run = await startShell(sandbox, 'exec sleep 1000');
    server.kill('SIGTERM');
    await waitUntilRefusing(via, sandbox);
    server.kill(second);
    expectEnd(await run.finish(), { status: 143 });
    expect(await server).toMatchObject({ exitCode: 0 });
  });

  it('waits no longer when sbx daemon stop follows', async () => {
    const { server } = await serve('--stop-timeout', '1h');
    const sandbox = await home.createSandbox();
    const via = toSocket();
    const run = await startShell(sandbox, 'exec sleep 1000');
    server.kill('SIGTERM');
    await waitUntilRefusing(via, sandbox);
    expect(await home.run(['daemon', 'stop'])).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    expectEnd(await run.finish(), { status: 143 });
    expect(await server).toMatchObject({ exitCode: 0 });
  });

  it('does not wait for a detached exec, which is on record as killed, with all that it wrote', async () => {
    const { server } = await serve('--stop-timeout', '1h');
    const sandbox = await home.createSandbox();
    const script = `exec 2>/dev/null; trap 'seq 100000000 100200000; exit 3' TERM; echo ready; ${toWait(mark)}`;
    const id = await startDetachedShell(home, sandbox, [script]);
    await waitUntil(async () => (await home.run(['logs', id])).stdout === 'ready\n');
    server.kill('SIGTERM');
    expect(await server).toMatchObject({ exitCode: 0 });
    const { stdout, stderr, exitCode } = await home.runBytes(['logs', id]);
    expect({ stderr: toBuffer(stderr).toString(), exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expectSameBytes(toBuffer(stdout), Buffer.concat([Buffer.from('ready\n'), toNumbers(200_001 * 10)]));
    expect(await findExecs(home, mark)).toMatchObject([
      { state: 'exited', exit: { code: 3 }, reason: 'killed' },
    ]);
  });
});

describe('a server that nobody uses', () => {
  it('stays while a client may come back for what its command has left', async () => {
    const sandbox = await home.createSandbox();
    // The server has to wait for its time to come, until the test has begun.
    const awaited = await home.createSandbox('--ttl', '1h');
    await home.run(['daemon', 'stop']);
    const { server } = await serve('--idle-exit', '300ms');
    const proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket });
    const script = `echo ready; ${toWait(mark)}; echo last; exit 7`;
    const options = ['-n', '--reconnect-grace', '1m'];
    const args = [...options, sandbox, '--', 'sh', '-c', script];
    const run = startStreaming(toVia(home, proxy.host), args);
    expect(await run.stdout.line()).toBe('ready');
    await home.run(['rm', awaited]);
    await proxy.pause();
    await release(home, sandbox, mark);
    await waitForGuestsToEnd(mark);
    // Three times as long as a server stays that nobody uses.
    await sleep(900);
    await proxy.resume();
    expectEnd(await run.finish(), { status: 7, stdout: 'last\n' });
    await proxy.close();
    expect(await server).toMatchObject({ exitCode: 0 });
  });
});

describe('sbx daemon restart', () => {
  it('waits for an exec whose client waits, and gives another server', async () => {
    const sandbox = await home.createSandbox();
    const instance = await readInstance();
    const run = await startShell(sandbox, 'read -r word; exit 7', []);
    const via = toSocket();
    const restart = home.run(['daemon', 'restart', '--stop-timeout', '1h']);
    expect(await waitUntilRefusing(via, sandbox)).toMatchObject(toRefusal('start an exec'));
    run.child.stdin.end('go\n');
    expectEnd(await run.finish(), { status: 7 });
    expect(await restart).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    expect(await readInstance()).not.toBe(instance);
    expect(await home.run(['exec', sandbox, 'echo', 'hi'])).toMatchObject({ stdout: 'hi\n', exitCode: 0 });
  });

  it('ends what outlasts --stop-timeout, and what is detached', async () => {
    const sandbox = await home.createSandbox();
    const instance = await readInstance();
    const run = await startShell(sandbox, 'exec sleep 1000');
    const id = await startDetachedShell(home, sandbox, ['echo hi; exec sleep 1000']);
    await waitUntil(async () => (await home.run(['logs', id])).stdout === 'hi\n');
    const restart = await home.run(['daemon', 'restart', '--stop-timeout', '100ms']);
    expect(restart).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    expectEnd(await run.finish(), { status: 143 });
    expect(await readInstance()).not.toBe(instance);
    expect(await home.run(['wait', id])).toMatchObject({ stderr: '', exitCode: 143 });
    expect(await home.run(['logs', id])).toMatchObject({ stdout: 'hi\n', stderr: '', exitCode: 0 });
  });
});

describe('sbx daemon stop', () => {
  const stop = async (...args: string[]) => {
    expect(await home.run(['daemon', 'stop', ...args])).toMatchObject({
      stdout: '',
      stderr: '',
      exitCode: 0,
    });
    expect(findDaemons(home.stateDir)).toEqual([]);
  };

  it('waits for an exec whose client waits with --stop-timeout', async () => {
    const sandbox = await home.createSandbox();
    const run = await startShell(sandbox, 'read -r word; exit 7', []);
    const via = toSocket();
    const stopping = stop('--stop-timeout', '1h');
    await waitUntilRefusing(via, sandbox);
    run.child.stdin.end('go\n');
    expectEnd(await run.finish(), { status: 7 });
    await stopping;
  });

  it.each([
    { what: 'that nobody reads', argv: ['yes'] },
    { what: 'that nobody reads, and that leaves another writing', argv: ['sh', '-c', 'setsid yes & yes'] },
  ])('ends an exec $what', async ({ argv }) => {
    const sandbox = await home.createSandbox();
    const json = { id: randomUUID(), sandbox, argv };
    expect(await callApi(home, 'POST', { path: routes.execs, json })).toMatchObject({ status: 201 });
    await waitUntil(() => isStalled(json.id));
    await stop();
    const { body } = await callAfter(routes.exec(json.id));
    expect(body).toMatchObject({ state: 'exited', reason: 'killed', exit: { signal: 'TERM' } });
  });

  it('ends an exec that is killed before, and that nobody reads', async () => {
    const sandbox = await home.createSandbox();
    const json = { id: randomUUID(), sandbox, argv: ['yes'] };
    await callApi(home, 'POST', { path: routes.execs, json });
    await waitUntil(() => isStalled(json.id));
    expect(await home.run(['kill', json.id])).toMatchObject({ stderr: '', exitCode: 0 });
    expect(await home.run(['wait', json.id])).toMatchObject({ stderr: '', exitCode: 143 });
  });

  it.each([
    { what: 'has stopped reading', script: 'yes' },
    { what: 'has stopped reading, with another writing', script: 'setsid yes & yes' },
  ])('is not held up by a client that $what', async ({ script }) => {
    const run = await startShell(await home.createSandbox(), script);
    run.child.kill('SIGSTOP');
    const [{ id }] = (await findExecs(home, mark)) as [ExecRecord];
    await waitUntil(() => isStalled(id));
    await stop();
    run.child.kill('SIGKILL');
    await run.finish();
  });

  it('is not held up by what an exec that has ended left in the background', async () => {
    const sandbox = await home.createSandbox();
    const script = `sh -c 'trap "" PIPE; while :; do echo more; sleep 0.05; done; : ${mark}' & echo hi`;
    const { stdout, exitCode } = await home.run(['exec', sandbox, '--', 'sh', '-c', script]);
    expect({ stdout, exitCode }).toEqual({ stdout: expect.stringContaining('hi\n') as string, exitCode: 0 });
    await stop();
    expect(findGuests(mark)).not.toEqual([]);
  });

  it('is not held up by a client that may take an hour to come back', async () => {
    const options = ['-n', '--reconnect-grace', '1h'];
    const run = await startShell(await home.createSandbox(), 'yes', options);
    run.child.kill('SIGSTOP');
    await stop();
    run.child.kill('SIGKILL');
    await run.finish();
  });

  /** It has written, and writes no more: what follows has to wait. */
  async function isStalled(id: string): Promise<boolean> {
    const read = async () => (await callAfter(routes.exec(id))).body as { bytes: { stdout: number } };
    const before = (await read()).bytes.stdout;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return before > 0 && (await read()).bytes.stdout === before;
  }

  /** Of the next daemon where there is none. */
  async function callAfter(path: string) {
    await home.run(['ls']);
    return callApi(home, 'GET', { path });
  }
});
