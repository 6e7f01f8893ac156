import { afterEach, beforeEach, expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { ByteReader } from '../../support/byte-reader.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { startDetachedShell } from '../../support/detached.ts';
import { waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);
let proxy: ChaosProxy;

beforeEach(async () => {
  proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket });
});
afterEach(() => proxy.close());

it('who is cut off before the server has said where the stream begins still begins there', async () => {
  const id = await startDetachedShell(home, sandbox, ['echo old; read -r line; echo "got $line"', '-i']);
  await waitUntil(async () => String((await home.run(['logs', id])).stdout) === 'old\n');
  const cut = proxy.cutAt({ direction: 'down', text: '"attached"', place: 'within' });
  const child = toVia(home, proxy.host).start(['attach', id]);
  const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr).rest()];
  await cut;
  // It is sent by who has attached.
  child.stdin.end('new\n');
  expect((await stdout.rest()).toString()).toBe('got new\n');
  expect((await stderr).toString()).toBe('');
  expect(await child).toMatchObject({ exitCode: 0 });
});
