import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CUT_MS, RECONNECT_GRACE_MS } from '../../../src/protocol/api.ts';
import { readDaemon } from '../../support/api.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { openHome, useHome, useSandbox } from '../../support/home.ts';
import { expectEnd, startStreaming } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);

const openProxy = (): Promise<ChaosProxy> => ChaosProxy.open({ upstream: () => readDaemon(home).socket });

const SECONDS = 20;

// Each has a network of its own: they wait at the same time.
describe.concurrent('a long time without a word', () => {
  it(`over TCP with --reconnect-grace 1h: nobody listens for ${SECONDS} seconds`, async () => {
    const wire = await openProxy();
    const run = startStreaming(toVia(home, wire.tcpHost), ['--reconnect-grace', '1h', sandbox, 'cat']);
    run.write('before\n');
    expect(await run.stdout.line()).toBe('before');
    await wire.pause();
    run.write('meanwhile\n');
    await sleep(SECONDS * 1000);
    await wire.resume();
    expect(await run.stdout.line()).toBe('meanwhile');
    run.child.stdin.end('after\n');
    expectEnd(await run.finish(), { status: 0, stdout: 'after\n' });
    await wire.close();
  });

  it(`over TCP with the default grace: the network is dark for ${SECONDS} seconds`, async () => {
    const wire = await openProxy();
    const run = startStreaming(toVia(home, wire.tcpHost), [sandbox, 'cat']);
    run.write('before\n');
    expect(await run.stdout.line()).toBe('before');
    wire.freeze();
    run.write('meanwhile\n');
    await sleep(SECONDS * 1000);
    wire.thaw();
    expect(await run.stdout.line()).toBe('meanwhile');
    run.child.stdin.end();
    expectEnd(await run.finish(), { status: 0 });
    await wire.close();
  });

  it('with the own daemon, which does nothing for longer than two cuts and the grace between: it lives', async () => {
    const own = await openHome();
    const box = await own.createSandbox();
    const { pid } = readDaemon(own);
    const run = startStreaming(own, [box, 'cat']);
    run.write('before\n');
    expect(await run.stdout.line()).toBe('before');
    process.kill(pid, 'SIGSTOP');
    const another = startStreaming(own, ['-n', box, 'echo', 'begun']);
    run.child.stdin.end('meanwhile\n');
    await sleep(2 * CUT_MS + 2 * RECONNECT_GRACE_MS);
    process.kill(pid, 'SIGCONT');
    expectEnd(await run.finish(), { status: 0, stdout: 'meanwhile\n' });
    expectEnd(await another.finish(), { status: 0, stdout: 'begun\n' });
    await own.close();
  });

  it('with the own daemon, which does nothing: who goes on interrupting is let go of, with 125', async () => {
    const own = await openHome();
    const box = await own.createSandbox();
    const { pid } = readDaemon(own);
    const run = startStreaming(own, ['-n', box, '--', 'sh', '-c', 'echo begun; exec sleep 3600']);
    expect(await run.stdout.line()).toBe('begun');
    process.kill(pid, 'SIGSTOP');
    const ended = run.finish();
    const isOver = ended.then(() => true);
    while (!(await Promise.race([isOver, sleep(300, false)]))) run.child.kill('SIGINT');
    process.kill(pid, 'SIGCONT');
    const { status, stderr } = await ended;
    expect(status).toBe(125);
    expect(stderr.toString()).toContain(
      'sbx: session ended without exit event: three interrupts came while the server was out of reach\n',
    );
    await own.close();
  });
});
