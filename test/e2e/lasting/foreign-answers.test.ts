import { expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { ChaosProxy, toAnswer, UPGRADE } from '../../support/chaos-proxy.ts';
import { waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { expectEnd, startStreaming, stream } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);
const open = (refusesUpgrades = false) =>
  ChaosProxy.open({ upstream: () => readDaemon(home).socket, refusesUpgrades });

/** What stands before a server says while that is away, or in its place. */
const PAGES = [
  ['404 Not Found', '404 page not found\n'],
  ['429 Too Many Requests', 'slow down'],
  ['500 Internal Server Error', '<html>oops</html>'],
  ['521 Web Server Is Down', ''],
  ['200 OK', '<html>maintenance</html>'],
] as const;

it.each(PAGES.flatMap(([status, body]) => [false, true].map((refuses) => ({ status, body, refuses }))))(
  'a proxy that says "$status" while its server is away is no end of a run that had begun; upgrades refused: $refuses',
  async ({ status, body, refuses }) => {
    const proxy = await open(refuses);
    const run = startStreaming(toVia(home, proxy.tcpHost), [sandbox, 'cat']);
    run.write('before\n');
    expect(await run.stdout.line()).toBe('before');
    proxy.answer = () => toAnswer(status, body);
    expect(proxy.cutNow()).toBeGreaterThan(0);
    run.child.stdin.end('meanwhile\n');
    await waitUntil(() => proxy.answers >= 3);
    proxy.answer = () => undefined;
    expectEnd(await run.finish(), { status: 0, stdout: 'meanwhile\n' });
    await proxy.close();
  },
);

it.each([
  { what: 'cuts upgrades', answer: '' },
  { what: 'cannot pass upgrades on', answer: toAnswer('502 Bad Gateway', '') },
])('a way that $what is gone in plain HTTP', async ({ answer }) => {
  const proxy = await open();
  proxy.answer = (first) => (first.startsWith(UPGRADE) ? answer : undefined);
  const end = await stream(toVia(home, proxy.tcpHost), [sandbox, 'cat'], 'by another way');
  expectEnd(end, { status: 0, stdout: 'by another way' });
  await proxy.close();
});

it('a way that always refuses what is asked beside a stream ends the run with 125 and what it said', async () => {
  const proxy = await open(true);
  proxy.answer = (first) =>
    /^POST [^ ]*\/ack /.test(first) ? toAnswer('403 Forbidden', 'not by this wall') : undefined;
  const run = startStreaming(toVia(home, proxy.tcpHost), ['-n', sandbox, 'yes']);
  const { status, stderr } = await run.finish();
  expect(status).toBe(125);
  expect(stderr.toString()).toContain('not by this wall');
  await proxy.close();
});
