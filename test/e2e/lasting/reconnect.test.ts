import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RECONNECT_GRACE_MS } from '../../../src/protocol/api.ts';
import { readDaemon } from '../../support/api.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
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

/** Of two equal signals of which none was taken yet only one arrives. */
function hasPendingSignals(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return !/^ShdPnd:\s0+$/m.test(status);
}

/** Says which signals it gets, in a file, and lives on. */
const toStubborn = (): string =>
  `trap 'echo HUP >> /tmp/${mark}' HUP; trap 'echo TERM >> /tmp/${mark}' TERM
  echo ready; while :; do sleep 0.05; done`;

it('a server that slept while a client came back has not waited for it in vain', async () => {
  const run = startStreaming(toVia(home, proxy.host), [sandbox, 'cat']);
  run.write('before\n');
  expect(await run.stdout.line()).toBe('before');
  const { pid } = readDaemon(home);
  await proxy.pause();
  // The server has seen the cut: it answers another after it.
  expect(await home.run(['ls', '-q'])).toMatchObject({ exitCode: 0 });
  process.kill(pid, 'SIGSTOP');
  await proxy.resume();
  run.child.stdin.end('meanwhile\n');
  await sleep(2 * RECONNECT_GRACE_MS);
  process.kill(pid, 'SIGCONT');
  expectEnd(await run.finish(), { status: 0, stdout: 'meanwhile\n' });
});

it('a command that ended in time is no timeout, however late its server looks', async () => {
  const script = 'echo ready; sleep 0.5; exit 7';
  const run = startStreaming(home, ['-n', '--timeout', '2s', sandbox, '--', 'sh', '-c', script]);
  expect(await run.stdout.line()).toBe('ready');
  const { pid } = readDaemon(home);
  process.kill(pid, 'SIGSTOP');
  await sleep(3_000);
  process.kill(pid, 'SIGCONT');
  expectEnd(await run.finish(), { status: 7 });
});

it('a cut that outlasts --reconnect-grace is 125 with the sentence; the command gets HUP and TERM, then KILL', async () => {
  const grace = ['--reconnect-grace', '1s', '--kill-after', '1s'];
  const script = toStubborn();
  const run = startStreaming(toVia(home, proxy.tcpHost), [
    ...['-n', ...grace, sandbox, '--', 'sh', '-c', script],
  ]);
  expect(await run.stdout.line()).toBe('ready');
  await proxy.pause();
  await waitForGuestsToEnd(mark);
  await proxy.resume();
  expectLost(await run.finish());
  const { stdout } = await home.run(['exec', sandbox, 'sort', `/tmp/${mark}`]);
  expect(stdout).toBe('HUP\nTERM\n');
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

it('--on-disconnect kill ends a command whose client was killed when its grace has passed', async () => {
  const options = ['-n', '--on-disconnect', 'kill', '--reconnect-grace', '1s', '--kill-after', '1s'];
  const script = toStubborn();
  const run = startStreaming(home, [...options, sandbox, '--', 'sh', '-c', script]);
  expect(await run.stdout.line()).toBe('ready');
  run.child.kill('SIGKILL');
  await run.finish();
  await waitForGuestsToEnd(mark);
  const { stdout } = await home.run(['exec', sandbox, 'sort', `/tmp/${mark}`]);
  expect(stdout).toBe('HUP\nTERM\n');
});

it('three interrupts end a run whose server is out of reach, and the server ends the command by itself', async () => {
  const script = `echo ready; exec sleep 3600; : ${mark}`;
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
