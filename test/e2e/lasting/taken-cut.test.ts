import { afterEach, beforeEach, expect, it } from 'vitest';
import { findExecs, readDaemon } from '../../support/api.ts';
import { ByteReader } from '../../support/byte-reader.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { startDetachedShell } from '../../support/detached.ts';
import { makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox, type Home } from '../../support/home.ts';
import { parseLine } from '../../support/json-schema.ts';
import { startStreaming } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);
let proxy: ChaosProxy;
let via: Home;
/** Names the command of a test. */
let mark: string;

const TAKEN = 'sbx: another client has taken the exec over: watching from here on';

beforeEach(async () => {
  mark = makeMark();
  proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket });
  via = toVia(home, proxy.host);
});
afterEach(() => proxy.close());

const toEcho = (): string[] => [
  sandbox,
  '--',
  'sh',
  '-c',
  `while read -r line; do echo "got $line"; done; exit 6; : ${mark}`,
];
const GRACE = ['--reconnect-grace', '1m'];

/** Takes the exec over, and feeds it a line. */
async function takeOver() {
  const [exec] = await findExecs(home, mark);
  const child = home.start(['attach', '--take', exec!.id], { stdin: 'pipe' });
  const stdout = new ByteReader(child.stdout);
  child.stderr.resume();
  child.stdin.write('other\n');
  expect(await stdout.line()).toBe('got other');
  return { child, stdout, id: exec!.id };
}

it('who was taken over while it was cut off is told so, and watches', async () => {
  const child = via.start(['exec', '--stream', ...GRACE, ...toEcho()]);
  const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
  child.stdin.write('one\n');
  expect(await stdout.line()).toBe('got one');
  await proxy.pause();
  const other = await takeOver();
  await proxy.resume();
  expect(await stdout.line()).toBe('got other');
  expect(await stderr.line()).toBe(TAKEN);
  proxy.cutNow();
  other.child.stdin.write('again\n');
  expect(await stdout.line()).toBe('got again');
  other.child.stdin.end('last\n');
  expect((await stdout.rest()).toString()).toBe('got last\n');
  // Once, also where it is cut off again.
  expect((await stderr.rest()).toString()).toBe('');
  expect(await child).toMatchObject({ exitCode: 6 });
  await other.stdout.rest();
  expect(await other.child).toMatchObject({ exitCode: 6 });
});

it('so is a program, which does not wait for its turn then', async () => {
  const run = startStreaming(via, ['--json', ...GRACE, ...toEcho()]);
  const next = async () => parseLine(`${await run.stdout.line()}\n`, 'execEvent');
  run.write('one\n');
  expect((await next()).event).toBe('started');
  expect(await next()).toMatchObject({ event: 'stdout', text: 'got one\n' });
  await proxy.pause();
  const other = await takeOver();
  await proxy.resume();
  expect(await next()).toEqual({ event: 'taken' });
  expect(await next()).toMatchObject({ event: 'stdout', text: 'got other\n' });
  run.child.kill('SIGTERM');
  const end = await next();
  expect(end).toMatchObject({ event: 'error', status: 143 });
  expect(end.error).toMatchObject({
    message: 'SIGTERM ended sbx, which watched',
    hint: 'The exec itself goes on',
  });
  expect((await run.finish()).status).toBe(143);
  other.child.stdin.end();
  await other.stdout.rest();
  expect(await other.child).toMatchObject({ exitCode: 6 });
});

it('whose exec has ended meanwhile was not taken over', async () => {
  const run = startStreaming(via, ['--log', ...GRACE, ...toEcho()]);
  run.write('one\n');
  expect(await run.stdout.line()).toBe('got one');
  const [exec] = await findExecs(home, mark);
  await proxy.pause();
  await home.run(['kill', exec!.id]);
  await home.run(['wait', exec!.id]);
  await proxy.resume();
  expect(await run.finish()).toMatchObject({ status: 143, stderr: Buffer.alloc(0) });
});

it('a watcher is told once that it is one, however often it is cut off', async () => {
  const id = await startDetachedShell(home, sandbox, [
    `while read -r line; do echo "got $line"; done; : ${mark}`,
    '-i',
  ]);
  const other = await takeOver();
  const child = via.start(['attach', '--from', 'start', id], { stdin: 'pipe' });
  const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
  expect(await stdout.line()).toBe('got other');
  const before = proxy.connections;
  proxy.cutNow();
  await waitUntil(() => proxy.connections > before);
  other.child.stdin.end('last\n');
  expect(await stdout.line()).toBe('got last');
  expect((await stderr.rest()).toString()).toBe(`sbx: watching: ${id} has an owner; --take takes it over\n`);
  expect(await child).toMatchObject({ exitCode: 0 });
});
