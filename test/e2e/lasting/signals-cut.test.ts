import { expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { startStreaming } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);

const SCRIPT = `
  trap 'echo one; n=1$n' USR1
  trap 'echo two; n=2$n' USR2
  echo ready
  until [ \${#n} = 2 ]; do sleep 0.05; done
  exit 0`;

it.each([
  { road: 'on a channel', refusesUpgrades: false },
  { road: 'over plain HTTP', refusesUpgrades: true },
])('no signal that is sent during a cut overtakes another, $road', async ({ refusesUpgrades }) => {
  const proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket, refusesUpgrades });
  try {
    const args = ['-n', '--reconnect-grace', '1m', sandbox, '--', 'sh', '-c', SCRIPT];
    const run = startStreaming(toVia(home, proxy.host), args);
    expect(await run.stdout.line()).toBe('ready');
    await proxy.pause();
    run.child.kill('SIGUSR1');
    proxy.freeze();
    const before = proxy.connections;
    await proxy.resume();
    // It has connected, and has not heard of the exec.
    await waitUntil(() => proxy.connections > before);
    run.child.kill('SIGUSR2');
    // Time enough to take the signal.
    await home.run(['ls']);
    proxy.thaw();
    const { status, stdout } = await run.finish();
    expect({ status, lines: stdout.toString().trim().split('\n').sort() }).toEqual({
      status: 0,
      lines: ['one', 'two'],
    });
  } finally {
    await proxy.close();
  }
});
