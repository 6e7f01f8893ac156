import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { makeMark, waitForGuestsToEnd } from '../../support/guests.ts';
import { useHome, useSandbox, type Home } from '../../support/home.ts';
import { NGINX_SECONDS, NGINX_SETUPS, startNginx, type Nginx, type NginxSetup } from '../../support/nginx.ts';
import {
  COUNTER,
  expectEnd,
  expectLost,
  expectSameBytes,
  startStreaming,
  stream,
  toNumbers,
} from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const MIB = 1024 * 1024;
const NONE = Buffer.alloc(0);
const BYTES = randomBytes(32 * MIB);
const NUMBERS = toNumbers(64 * MIB);
/** Longer than two of the clocks of nginx where these are shortened, so that none can be missed by chance. */
const SILENCE_MS = (2 * NGINX_SECONDS + 1) * 1000;
/** Answers each line of JSON with one. */
const ANSWERER = `
import json, sys
for line in sys.stdin:
    print(json.dumps({'answer': json.loads(line)['question'] * 2}), flush=True)
`;

const home = useHome();
const sandbox = useSandbox(home);
let nginx: Nginx;

beforeAll(async () => {
  nginx = await startNginx(readDaemon(home).socket);
});
afterAll(async () => {
  await nginx.close();
});

function toSetup(setup: NginxSetup): Home {
  return toVia(home, nginx.hosts[setup], { NODE_EXTRA_CA_CERTS: nginx.caFile });
}

describe.each(NGINX_SETUPS)("behind nginx's setup %s", (setup) => {
  it('200 lines of JSON are answered, each sent only after the answer to the one before', async () => {
    const run = startStreaming(toSetup(setup), [sandbox, 'python3', '-c', ANSWERER]);
    for (let turn = 0; turn < 200; turn += 1) {
      run.write(`${JSON.stringify({ question: turn })}\n`);
      expect(JSON.parse(await run.stdout.line())).toEqual({ answer: 2 * turn });
    }
    run.child.stdin.end();
    expectEnd(await run.finish(), { status: 0 });
  });

  it('32 MiB come back unchanged', async () => {
    const { status, stdout, stderr } = await stream(toSetup(setup), [sandbox, 'cat'], BYTES);
    expectEnd({ status, stderr, stdout: NONE }, { status: 0 });
    expectSameBytes(stdout, BYTES);
  });

  it.each([
    ['its status', 'exit 7', 7],
    ['the signal it died of', 'kill -9 $$', 137],
  ])('a command ends with %s, and its streams stay apart', async (_what, end, status) => {
    const { stdout, stderr, exitCode } = await toSetup(setup).run([
      ...['exec', '--stream', sandbox, '--', 'sh', '-c', `echo out; echo err >&2; ${end}`],
    ]);
    expect({ stdout, stderr, exitCode }).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: status });
  });

  it('a command that cannot be started is told as it is without nginx', async () => {
    const args = ['exec', '--stream', sandbox, 'no-such-program'];
    const { stderr, exitCode } = await home.run(args);
    expect(await toSetup(setup).run(args)).toMatchObject({ stdout: '', stderr, exitCode });
  });

  it('a signal reaches the command', async () => {
    const script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    const run = startStreaming(toSetup(setup), ['-n', sandbox, '--', 'sh', '-c', script]);
    expect(await run.stdout.line()).toBe('ready');
    run.child.kill('SIGTERM');
    expect(await run.stdout.line()).toBe('got');
    // The shell may have words of its own about the child of its that died.
    expect(await run.finish()).toMatchObject({ status: 9, stdout: NONE });
  });

  it('a command whose reader leaves meets SIGPIPE', async () => {
    const run = startStreaming(toSetup(setup), ['-n', sandbox, ...COUNTER]);
    expect(await run.stdout.line()).toBe('100000000');
    run.child.stdout.destroy();
    expectEnd({ ...(await run.finish()), stdout: NONE }, { status: 141 });
  });
});

it('a proxy that refuses every body of stdin ends the run, which says so', async () => {
  const mark = makeMark();
  const run = startStreaming(toVia(home, nginx.bodiless), [sandbox, '--', 'sh', '-c', `cat; : ${mark}`]);
  run.child.stdin.end('refused\n');
  expectLost(await run.finish(), 'answered 413');
  await waitForGuestsToEnd(mark);
});

// At once: they mostly wait.
describe.concurrent.each(NGINX_SETUPS)("a pause longer than the clocks of nginx's setup %s", (setup) => {
  it('harms neither stdin nor stdout where both are silent', async () => {
    const run = startStreaming(toSetup(setup), [sandbox, 'cat']);
    run.write('before\n');
    expect(await run.stdout.line()).toBe('before');
    await sleep(SILENCE_MS);
    run.write('after\n');
    expect(await run.stdout.line()).toBe('after');
    run.child.stdin.end();
    expectEnd(await run.finish(), { status: 0 });
  });

  it('harms no command that nothing is said to, and that says nothing, before its end', async () => {
    const script = `sleep ${SILENCE_MS / 1000}; echo awake; exit 7`;
    const args = ['exec', '--stream', '-n', sandbox, '--', 'sh', '-c', script];
    const { stdout, stderr, exitCode } = await toSetup(setup).run(args);
    expect({ stdout, stderr, exitCode }).toEqual({ stdout: 'awake\n', stderr: '', exitCode: 7 });
  });

  it('harms no stdin whose first byte comes after it, nor one that ends without any', async () => {
    const runs = ['late', ''].map((bytes) => ({
      bytes,
      run: startStreaming(toSetup(setup), [sandbox, 'cat']),
    }));
    await sleep(SILENCE_MS);
    for (const { bytes, run } of runs) {
      run.child.stdin.end(bytes);
      expectEnd(await run.finish(), { status: 0, stdout: bytes });
    }
  });

  it('harms no stdin that the command reads only then', async () => {
    const sent = BYTES.subarray(0, 8 * MIB);
    const script = `sleep ${SILENCE_MS / 1000}; cat`;
    const { status, stdout, stderr } = await stream(
      toSetup(setup),
      [sandbox, '--', 'sh', '-c', script],
      sent,
    );
    expectEnd({ status, stderr, stdout: NONE }, { status: 0 });
    expectSameBytes(stdout, sent);
  });

  it('harms no output whose reader makes it in the middle of 64 MiB', async () => {
    const script = `${COUNTER.join(' ')} | head -c ${NUMBERS.length}`;
    const run = startStreaming(toSetup(setup), ['-n', sandbox, '--', 'sh', '-c', script]);
    const first = await run.stdout.next();
    await sleep(SILENCE_MS);
    const { status, stdout, stderr } = await run.finish();
    expectEnd({ status, stderr, stdout: NONE }, { status: 0 });
    expectSameBytes(Buffer.concat([first, stdout]), NUMBERS);
  });
});

it('a client that is stopped for a minute goes on behind nginx', { timeout: 240_000 }, async () => {
  const script = `${COUNTER.join(' ')} | head -c ${NUMBERS.length}; cat; exit 7`;
  const args = ['--reconnect-grace', '10m', sandbox, '--', 'sh', '-c', script];
  const run = startStreaming(toSetup('unbuffered'), args);
  const first = await run.stdout.next();
  run.child.kill('SIGSTOP');
  await sleep(60_000);
  run.child.kill('SIGCONT');
  run.child.stdin.end('the end\n');
  const { status, stdout, stderr } = await run.finish();
  expectEnd({ status, stderr, stdout: NONE }, { status: 7 });
  expectSameBytes(Buffer.concat([first, stdout]), Buffer.concat([NUMBERS, Buffer.from('the end\n')]));
});
