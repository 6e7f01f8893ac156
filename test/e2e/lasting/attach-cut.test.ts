import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findExecs, readDaemon } from '../../support/api.ts';
import { ByteReader } from '../../support/byte-reader.ts';
import { ChaosProxy } from '../../support/chaos-proxy.ts';
import { release, startDetachedShell, toWait } from '../../support/detached.ts';
import { makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { expectSameBytes, startStreaming, toNumbers } from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const home = useHome();
const sandbox = useSandbox(home);
let proxy: ChaosProxy;
/** Names the command of a test. */
let mark: string;

beforeEach(async () => {
  mark = makeMark();
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

describe('who feeds an exec again that another client has fed meanwhile', () => {
  const OPTIONS = ['--on-disconnect', 'keep', '--reconnect-grace', '1m'];

  /** Feeds it from a second client, which is killed then; resolves when nobody owns the exec. */
  const feedFromAnother = async (id: string, line: string): Promise<void> => {
    const child = home.start(['attach', '--take', id], { stdin: 'pipe' });
    const stdout = new ByteReader(child.stdout);
    child.stderr.resume();
    child.stdin.write(`${line}\n`);
    expect(await stdout.line()).toBe(`got ${line}`);
    child.kill('SIGKILL');
    await child;
    await waitUntil(async () => (await findExecs(home, mark))[0]?.detached === true);
  };

  const start = async () => {
    const script = `while read -r line; do echo "got $line"; done; : ${mark}`;
    const run = startStreaming(toVia(home, proxy.host), [...OPTIONS, sandbox, '--', 'sh', '-c', script]);
    run.write('one\n');
    expect(await run.stdout.line()).toBe('got one');
    const [exec] = await findExecs(home, mark);
    return { run, id: exec!.id };
  };

  it('goes on behind it', async () => {
    const { run, id } = await start();
    const line = 'x'.repeat(50);
    await feedFromAnother(id, line);
    expect(await run.stdout.line()).toBe(`got ${line}`);
    proxy.cutNow();
    run.child.stdin.end('two\n');
    const { status, stdout } = await run.finish();
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 0, stdout: 'got two\n' });
  });

  it('loses nothing that it read while it was away, however little the other has fed', async () => {
    const { run, id } = await start();
    await proxy.pause();
    run.write('two\n');
    await feedFromAnother(id, 'y');
    await proxy.resume();
    run.child.stdin.end('three\n');
    const { status, stdout } = await run.finish();
    expect({ status, stdout: stdout.toString() }).toEqual({
      status: 0,
      stdout: 'got y\ngot two\ngot three\n',
    });
  });

  it('loses nothing of a piece that was cut in its middle', async () => {
    const script = `read -r line; echo "got $line"; ${toWait('go')}; : ${mark}; exec cat`;
    // What the other is shown and acknowledges is kept for the first one, too.
    const args = [...OPTIONS, '--log', sandbox, '--', 'sh', '-c', script];
    const run = startStreaming(toVia(home, proxy.host), args);
    const data = toNumbers(3_000_000);
    run.write('one\n');
    expect(await run.stdout.line()).toBe('got one');
    run.child.stdin.end(data);
    const [exec] = await findExecs(home, mark);
    await proxy.pause();
    const other = home.start(['attach', '--take', exec!.id], { stdin: 'pipe' });
    const stdout = new ByteReader(other.stdout);
    other.stderr.resume();
    other.stdin.write('<from another>\n');
    await release(home, sandbox, 'go');
    let seen = '';
    while (!seen.endsWith('<from another>\n')) {
      const more = (await stdout.next()).toString('latin1');
      if (more === '') throw new Error(`It ended after ${seen}`);
      seen += more;
    }
    other.kill('SIGKILL');
    await Promise.all([other, stdout.rest()]);
    await waitUntil(async () => (await findExecs(home, mark))[0]?.detached === true);
    await proxy.resume();
    const ended = await run.finish();
    const text = ended.stdout.toString('latin1');
    expect([ended.status, text.split('<from another>\n').length]).toEqual([0, 2]);
    expectSameBytes(Buffer.from(text.replace('<from another>\n', ''), 'latin1'), data);
  });

  it('goes on behind it also where it was away meanwhile', async () => {
    const { run, id } = await start();
    const line = 'x'.repeat(50);
    await proxy.pause();
    await feedFromAnother(id, line);
    await proxy.resume();
    run.child.stdin.end('two\n');
    const { status, stdout } = await run.finish();
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 0, stdout: `got ${line}\ngot two\n` });
  });
});
