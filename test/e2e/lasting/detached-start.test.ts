import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findExecs, readDaemon } from '../../support/api.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);
let proxy: ChaosProxy;
/** Names the command of a test, and its file. */
let mark: string;

beforeEach(async () => {
  proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket });
  mark = makeMark();
});
afterEach(() => proxy.close());

const cutAnswer = (): Promise<void> => proxy.cutAt({ direction: 'down', text: '"argv"', place: 'before' });

/** Over TCP there is a minute to come back in. */
const start = (argv: readonly string[], host = proxy.tcpHost) =>
  toVia(home, host).run(['exec', '-d', sandbox, '--', ...argv]);

const readRuns = async (): Promise<unknown> =>
  (await home.run(['exec', sandbox, 'cat', `/tmp/${mark}`])).stdout;

describe('a detached start whose answer is lost', () => {
  it('is answered again, and has started one command', async () => {
    const cut = cutAnswer();
    const { stdout, stderr, exitCode } = await start(['sh', '-c', `echo x >> /tmp/${mark}; exec sleep 3600`]);
    await cut;
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    const [exec, ...more] = await findExecs(home, mark);
    expect({ stdout, more }).toEqual({ stdout: `${exec!.id}\n`, more: [] });
    await waitUntil(async () => (await readRuns()) === 'x\n');
  });

  it('is answered again where the command has ended meanwhile', async () => {
    const cut = cutAnswer().then(() => proxy.pause());
    const started = start(['sh', '-c', `echo x >> /tmp/${mark}; exit 3`]);
    await cut;
    await waitUntil(async () => (await findExecs(home, mark))[0]?.state === 'exited');
    await proxy.resume();
    const { stdout, stderr, exitCode } = await started;
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(await home.run(['wait', String(stdout).trim()])).toMatchObject({ exitCode: 3 });
    expect(await readRuns()).toBe('x\n');
  });

  it('tells why the command could not be started', async () => {
    const cut = cutAnswer();
    expect(await start([`no-such-command-${mark}`])).toMatchObject({ stdout: '', exitCode: 127 });
    await cut;
  });

  it('names the exec where the server stays out of reach', async () => {
    const cut = cutAnswer().then(() => proxy.pause());
    const { stdout, stderr, exitCode } = await start(['sh', '-c', `exec sleep 3600; : ${mark}`], proxy.host);
    await cut;
    const [exec] = await findExecs(home, mark);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: Cannot reach the server at /);
    expect(stderr).toContain(
      `hint: The command may run all the same. Ask for it with: sbx wait ${exec!.id}\n`,
    );
    await proxy.resume();
  });
});
