import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RECONNECT_GRACE_MS, routes } from '../../../src/protocol/api.ts';
import { callApi, findExecs, readDaemon } from '../../support/api.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { hasPendingSignals } from '../../support/pending-signals.ts';
import { expectEnd, expectLost, startStreaming } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);
let proxy: ChaosProxy;
/** Names the command of a test, and its files. */
let mark: string;

beforeEach(async () => {
  proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket });
  mark = makeMark();
});
afterEach(() => proxy.close());

/** Says which signals it gets, in a file, and lives on. */
const toStubborn = (): string =>
  `trap 'echo HUP >> /tmp/${mark}' HUP; trap 'echo TERM >> /tmp/${mark}' TERM
  echo ready; while :; do sleep 0.05; done`;

const readGot = async () => (await home.run(['exec', sandbox, 'sort', `/tmp/${mark}`])).stdout;

async function killRunning(): Promise<void> {
  const running = (await findExecs(home, mark)).find(({ state }) => state === 'running');
  expect(await home.run(['kill', '-s', 'KILL', running!.id])).toMatchObject({ exitCode: 0 });
  await waitForGuestsToEnd(mark);
}

/** A run that was cut off, whose server sleeps since it has seen that, and can be reached again when it wakes. */
async function cutAndStop(pid: number) {
  for (;;) {
    const run = startStreaming(toVia(home, proxy.host), [sandbox, 'cat']);
    run.write('before\n');
    expect(await run.stdout.line()).toBe('before');
    const begun = performance.now();
    await proxy.pause();
    // The server has seen the cut: it answers another after it.
    expect(await callApi(home, 'GET', { path: routes.health })).toMatchObject({ status: 200 });
    process.kill(pid, 'SIGSTOP');
    await proxy.resume();
    if (performance.now() - begun < RECONNECT_GRACE_MS / 2) return run;
    // Too slow: the grace may have passed before the server slept.
    process.kill(pid, 'SIGCONT');
    run.child.kill('SIGKILL');
    await run.finish();
  }
}

it('a server that slept while a client came back has not waited for it in vain', async () => {
  const { pid } = readDaemon(home);
  const run = await cutAndStop(pid);
  run.child.stdin.end('meanwhile\n');
  await sleep(2 * RECONNECT_GRACE_MS);
  process.kill(pid, 'SIGCONT');
  expectEnd(await run.finish(), { status: 0, stdout: 'meanwhile\n' });
});

it('a command that ended in time is no timeout, however late its server looks', async () => {
  const script = `echo ready; sleep 0.5; exit 7 # ${mark}`;
  const run = startStreaming(home, ['-n', '--timeout', '2s', sandbox, '--', 'sh', '-c', script]);
  expect(await run.stdout.line()).toBe('ready');
  const { pid } = readDaemon(home);
  process.kill(pid, 'SIGSTOP');
  await Promise.all([sleep(3_000), waitForGuestsToEnd(mark)]);
  process.kill(pid, 'SIGCONT');
  expectEnd(await run.finish(), { status: 7 });
});

/** A command that outlives HUP and TERM, with a client that is cut off and gives up. */
async function loseStubborn(killAfter: string): Promise<void> {
  const options = ['-n', '--reconnect-grace', '1s', '--kill-after', killAfter];
  const args = [...options, sandbox, '--', 'sh', '-c', toStubborn()];
  const run = startStreaming(toVia(home, proxy.tcpHost), args);
  expect(await run.stdout.line()).toBe('ready');
  await proxy.pause();
  expectLost(await run.finish());
  await proxy.resume();
}

it('a cut that outlasts --reconnect-grace is 125 with the sentence; the command gets HUP and TERM', async () => {
  await loseStubborn('1h');
  await waitUntil(async () => (await readGot()) === 'HUP\nTERM\n');
  await killRunning();
});

it('a command that outlives these gets KILL after --kill-after', async () => {
  await loseStubborn('1s');
  await waitForGuestsToEnd(mark);
});

it('a client that was away for longer than its grace is told what has become of its command', async () => {
  const script = `echo ready; sleep 3600; : ${mark}`;
  const run = startStreaming(toVia(home, proxy.tcpHost), [
    ...['-n', '--reconnect-grace', '1s', sandbox, '--', 'sh', '-c', script],
  ]);
  expect(await run.stdout.line()).toBe('ready');
  run.child.kill('SIGSTOP');
  proxy.cutNow();
  await waitForGuestsToEnd(mark);
  run.child.kill('SIGCONT');
  const { status, stderr } = await run.finish();
  // HUP has ended it, and the server is there to tell.
  expect(status).toBe(129);
  expect(stderr.toString()).toMatch(/^sbx: the command was ended: its client was away/);
});

it.each([
  { how: 'by the Unix socket', toHost: () => proxy.host },
  { how: 'by TCP', toHost: () => proxy.tcpHost },
])('--on-disconnect keep lets a command go on whose client was killed, $how', async ({ toHost }) => {
  const script = `echo ready; until [ -e /tmp/${mark}-go ]; do sleep 0.05; done; echo kept > /tmp/${mark}`;
  const options = ['-n', '--on-disconnect', 'keep', '--reconnect-grace', '1s'];
  const run = startStreaming(toVia(home, toHost()), [...options, sandbox, '--', 'sh', '-c', script]);
  expect(await run.stdout.line()).toBe('ready');
  run.child.kill('SIGKILL');
  await run.finish();
  // For longer than its grace, and than the time from TERM to KILL would leave it.
  await sleep(8_000);
  expect(findGuests(mark)).not.toEqual([]);
  await home.run(['exec', sandbox, 'touch', `/tmp/${mark}-go`]);
  await waitUntil(async () => (await home.run(['exec', sandbox, 'cat', `/tmp/${mark}`])).stdout === 'kept\n');
});

describe('--on-disconnect kill, where the client was killed and its grace has passed,', () => {
  async function killClient(killAfter: string): Promise<void> {
    const options = ['-n', '--on-disconnect', 'kill', '--reconnect-grace', '1s', '--kill-after', killAfter];
    const run = startStreaming(home, [...options, sandbox, '--', 'sh', '-c', toStubborn()]);
    expect(await run.stdout.line()).toBe('ready');
    run.child.kill('SIGKILL');
    await run.finish();
  }

  it('sends HUP and TERM', async () => {
    await killClient('1h');
    await waitUntil(async () => (await readGot()) === 'HUP\nTERM\n');
    await killRunning();
  });

  it('sends KILL to what outlives these', async () => {
    await killClient('1s');
    await waitForGuestsToEnd(mark);
  });
});

it('three interrupts end a run whose server is out of reach, and the server ends the command by itself', async () => {
  const script = `echo ready; sleep 3600; : ${mark}`;
  const options = ['-n', '--reconnect-grace', '10s'];
  const run = startStreaming(toVia(home, proxy.tcpHost), [...options, sandbox, '--', 'sh', '-c', script]);
  expect(await run.stdout.line()).toBe('ready');
  await proxy.pause();
  for (let count = 0; count < 3; count += 1) {
    await waitUntil(() => !hasPendingSignals(run.child.pid!));
    run.child.kill('SIGINT');
  }
  const ended = await run.finish();
  expectLost(ended, 'three interrupts came while the server was out of reach');
  expect(ended.stderr.toString()).toMatch(/^sbx: hint: The server ends the command when/m);
  await proxy.resume();
  await waitForGuestsToEnd(mark);
});

it.each(['', 'soon', '-1s', '1'])('--reconnect-grace takes no %j', async (value) => {
  const { stdout, stderr, exitCode } = await home.run(['exec', '--reconnect-grace', value, sandbox, 'true']);
  expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
  expect(stderr).toContain(`"${value}" is not a duration`);
});

it('--on-disconnect takes kill and keep only', async () => {
  const args = ['exec', '--on-disconnect', 'pause', sandbox, 'true'];
  const { stdout, stderr, exitCode } = await home.run(args);
  expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
  expect(stderr).toMatch(/^sbx: .*--on-disconnect.*(kill.*keep|keep.*kill)/s);
});
