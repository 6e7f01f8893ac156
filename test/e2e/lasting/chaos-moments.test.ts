import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findExecs, readDaemon } from '../../support/api.ts';
import type { Mark } from '../../support/chaos-link.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox, type Home } from '../../support/home.ts';
import { expectEnd, expectLost, expectSameBytes, startStreaming, stream } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const BYTES = randomBytes(100_000);

/** No stall of a slow machine is to be the end of a run. */
const LONG = ['--reconnect-grace', '1h'];

const home = useHome();
const sandbox = useSandbox(home);
let proxy: ChaosProxy;
let via: Home;
/** Names the command of a test, and its files. */
let mark: string;

interface Road {
  readonly road: string;
  readonly refusesUpgrades: boolean;
  readonly stdinEnd: string;
}

const ROADS: readonly Road[] = [
  { road: 'the channel', refusesUpgrades: false, stdinEnd: '"stdin_end"' },
  { road: 'plain HTTP', refusesUpgrades: true, stdinEnd: '/stdin/end' },
];

/** The moments, by the bytes that pass then; the end of stdin is said in other words on each road. */
const MOMENTS: readonly { what: string; direction: Mark['direction']; text?: string }[] = [
  { what: 'the request to start', direction: 'up', text: '"argv"' },
  { what: 'the greeting of the server', direction: 'down', text: 'hello' },
  { what: 'the news that it has started', direction: 'down', text: 'started' },
  { what: 'the end of stdin', direction: 'up' },
  { what: 'the exit event', direction: 'down', text: 'drain_truncated' },
];
const PLACES = ['before', 'within', 'after'] as const;
const CUTS = MOMENTS.flatMap((moment) => PLACES.map((place) => ({ ...moment, place })));

describe.each(ROADS)('over $road', ({ refusesUpgrades, stdinEnd }) => {
  beforeEach(async () => {
    proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket, refusesUpgrades });
    via = toVia(home, proxy.host);
    mark = makeMark();
  });
  afterEach(() => proxy.close());

  it.each(CUTS)(
    'a cut $place $what leaves the bytes, the status and one run of the command',
    async ({ place, direction, text }) => {
      const cut = proxy.cutAt({ direction, text: text ?? stdinEnd, place });
      const script = `echo x >> /tmp/${mark}; cat; exit 7`;
      const ended = await stream(via, [...LONG, sandbox, '--', 'sh', '-c', script], BYTES);
      await cut;
      expectEnd({ ...ended, stdout: Buffer.alloc(0) }, { status: 7 });
      expectSameBytes(ended.stdout, BYTES);
      expect(await readInside(`/tmp/${mark}`)).toBe('x\n');
    },
  );

  it('a command that ends while its client is cut off is told with its last byte and its status', async () => {
    const script = `echo last; until [ -e /tmp/${mark} ]; do sleep 0.05; done; printf unheard; exit 7`;
    const run = startStreaming(via, ['-n', ...LONG, sandbox, '--', 'sh', '-c', script]);
    expect(await run.stdout.line()).toBe('last');
    await proxy.pause();
    await home.run(['exec', sandbox, 'touch', `/tmp/${mark}`]);
    await waitUntil(async () => (await findExecs(home, script))[0]?.state === 'exited');
    await proxy.resume();
    expectEnd(await run.finish(), { status: 7, stdout: 'unheard' });
  });

  it('a cut between the last byte and the exit leaves the status', async () => {
    const script = `echo last; until [ -e /tmp/${mark} ]; do sleep 0.05; done; exit 7`;
    const run = startStreaming(via, ['-n', ...LONG, sandbox, '--', 'sh', '-c', script]);
    expect(await run.stdout.line()).toBe('last');
    const cut = proxy.cutAt({ direction: 'down', text: 'drain_truncated', place: 'before' });
    await home.run(['exec', sandbox, 'touch', `/tmp/${mark}`]);
    await cut;
    expectEnd(await run.finish(), { status: 7 });
  });

  it('an exec whose start was not answered before its server was another is lost, and not run again', async () => {
    const script = `echo x >> /tmp/${mark}`;
    const cut = proxy.cutAt({ direction: 'down', text: 'hello', place: 'before' }).then(() => proxy.pause());
    const run = startStreaming(via, ['-n', ...LONG, sandbox, '--', 'sh', '-c', script]);
    await cut;
    expect(await home.run(['daemon', 'restart'])).toMatchObject({ exitCode: 0 });
    await proxy.resume();
    expectLost(await run.finish(), 'it ended while its start was not answered');
    expect(await readInside(`/tmp/${mark}`)).toBe('x\n');
  });

  it('a signal that comes while the client is cut off reaches the command afterwards, once', async () => {
    const script = `trap 'echo got' USR1; trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done; # ${mark}`;
    const run = startStreaming(via, ['-n', ...LONG, sandbox, '--', 'sh', '-c', script]);
    expect(await run.stdout.line()).toBe('ready');
    await proxy.pause();
    run.child.kill('SIGUSR1');
    await proxy.resume();
    expect(await run.stdout.line()).toBe('got');
    proxy.cutNow();
    run.child.kill('SIGTERM');
    const { status, stdout, stderr } = await run.finish();
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 7, stdout: '' });
    // The shell has words of its own about children that died of a signal.
    expect(stderr.toString()).not.toContain('sbx:');
  });

  it('stdin and output that come while the client is cut off arrive afterwards', async () => {
    const script = `while read -r line; do echo "$line" >> /tmp/${mark}; echo "got $line"; done`;
    const run = startStreaming(via, [...LONG, sandbox, '--', 'sh', '-c', script]);
    run.write('one\n');
    expect(await run.stdout.line()).toBe('got one');
    await proxy.pause();
    run.write('two\n');
    run.child.stdin.end('three\n');
    await proxy.resume();
    expectEnd(await run.finish(), { status: 0, stdout: 'got two\ngot three\n' });
    expect(await readInside(`/tmp/${mark}`)).toBe('one\ntwo\nthree\n');
  });
});

async function readInside(path: string): Promise<unknown> {
  const { stdout } = await home.run(['exec', sandbox, 'cat', path]);
  return stdout;
}
