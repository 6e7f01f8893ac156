import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ByteReader, toSha256 } from '../support/byte-reader.ts';
import { makeDirectory } from '../support/caller.ts';
import { toBuffer } from '../support/detached.ts';
import { openHome, type Home } from '../support/home.ts';
import { runShell } from '../support/shell.ts';
import { COUNTER, expectSameBytes, toNumbers } from '../support/streaming.ts';
import { runTimed } from '../support/timed.ts';
import { unmount } from '../support/unmount.ts';

const MIB = 1024 * 1024;

let home: Home;
let sandbox: string;
let temporary: string;

beforeAll(async () => {
  temporary = await makeDirectory('buffered-');
  home = await openHome({ TMPDIR: temporary });
  sandbox = await home.createSandbox();
});
afterAll(async () => {
  await rm(temporary, { recursive: true });
  await home.close();
});

const INTERLEAVED = 'for i in 1 2 3; do echo out $i; echo err $i >&2; done';
const IN_ORDER = 'out 1\nout 2\nout 3\nerr 1\nerr 2\nerr 3\n';

describe('the output of a buffered exec', () => {
  it.each([
    { how: 'exited with 0', script: INTERLEAVED, status: 0 },
    { how: 'exited with 3', script: `${INTERLEAVED}; exit 3`, status: 3 },
    { how: 'was killed', script: `${INTERLEAVED}; kill -9 $$`, status: 137 },
  ])('is stdout and then stderr, whole, where the command $how', async ({ script, status }) => {
    expect(await runShell(home, 'sbx exec "$@" 2>&1', [sandbox, 'sh', '-c', script])).toMatchObject({
      stdout: IN_ORDER,
      exitCode: status,
    });
  });

  it('is stdout and then stderr, whole, where the command timed out', async () => {
    const { result } = await runTimed({ home, sandbox }, ({ timeout, begun }) => {
      const script = `${INTERLEAVED}; ${begun}; exec sleep 1000`;
      return runShell(home, 'sbx exec "$@" 2>&1', ['--timeout', timeout, sandbox, 'sh', '-c', script]);
    });
    expect(result).toMatchObject({ stdout: IN_ORDER, exitCode: 124 });
  });

  it('is printed where a signal was forwarded to the command', async () => {
    const script = `trap 'echo trapped; exit 7' TERM; ${INTERLEAVED}; touch /tmp/begun; while :; do sleep 0.05; done 2>/dev/null`;
    const child = home.start(['exec', sandbox, 'sh', '-c', script]);
    const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
    while ((await home.run(['exec', sandbox, 'test', '-e', '/tmp/begun'])).exitCode !== 0);
    child.kill('SIGTERM');
    expect((await stdout.rest()).toString()).toBe('out 1\nout 2\nout 3\ntrapped\n');
    expect((await stderr.rest()).toString()).toContain('err 1\nerr 2\nerr 3\n');
    expect(await child).toMatchObject({ exitCode: 7 });
  });

  it('is printed where a background process still holds the pipes', async () => {
    const { stdout, exitCode } = await home.run(['exec', sandbox, 'sh', '-c', 'sleep 3 & echo hi']);
    expect({ stdout, exitCode }).toEqual({ stdout: 'hi\n', exitCode: 0 });
  });
});

describe('output that is larger than what is kept in memory', () => {
  it('is whole, and leaves nothing in TMPDIR', async () => {
    const bytes = randomBytes(100 * MIB);
    const child = home.start(['exec', sandbox, 'cat']);
    const stdout = new ByteReader(child.stdout);
    child.stdin.end(bytes);
    const first = await stdout.next();
    // It is being printed, and the file it is printed from has no name.
    expect(await readdir(temporary)).toEqual([]);
    const rest = await stdout.rest();
    expect(toSha256(Buffer.concat([first, rest]))).toBe(toSha256(bytes));
    expect(await child).toMatchObject({ exitCode: 0 });
    expect(await readdir(temporary)).toEqual([]);
  });

  it('keeps both streams apart and in order', async () => {
    const code = `
import os
for i in range(320): os.write(1 + i % 2, bytes([i % 256]) * 65536)
`;
    const { stdout, stderr, exitCode } = await home.runBytes(['exec', sandbox, 'python3', '-c', code]);
    const blocks = (from: number) =>
      Buffer.concat(Array.from({ length: 160 }, (_, i) => Buffer.alloc(65536, (from + 2 * i) % 256)));
    expect([stdout, stderr].map((bytes) => toSha256(bytes as Uint8Array))).toEqual(
      [blocks(0), blocks(1)].map(toSha256),
    );
    expect(exitCode).toBe(0);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('needs TMPDIR only past 8 MiB over both streams', async () => {
    const script = 'head -c 4194304 /dev/zero; head -c 4194304 /dev/zero >&2';
    const env = { ...home.env, TMPDIR: join(temporary, 'missing') };
    const fits = await home.runBytes(['exec', sandbox, 'sh', '-c', script], { env });
    expect([fits.stdout, fits.stderr].map((bytes) => (bytes as Uint8Array).length)).toEqual([
      4 * MIB,
      4 * MIB,
    ]);
    expect(fits.exitCode).toBe(0);
    const over = await home.run(['exec', sandbox, 'sh', '-c', `${script}; echo`], { env });
    expect(over.exitCode).toBe(125);
    expect(over.stderr).toMatch(/sbx: Cannot keep the output in .*missing.*\nsbx: .*TMPDIR.*\n$/);
  });

  it('is printed once as far as it came, where TMPDIR is full before it has taken it over', async () => {
    const small = join(temporary, 'small');
    await mkdir(small);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=1777', 'tmpfs', small]);
    const { stdout, stderr, exitCode } = await home.runBytes(['exec', sandbox, ...COUNTER], {
      env: { ...home.env, TMPDIR: small },
    });
    await unmount(small);
    await rm(small, { recursive: true });
    expect(toBuffer(stderr).toString()).toMatch(/^sbx: Cannot keep the output in .*small: ENOSPC/);
    expect(exitCode).toBe(125);
    expectSameBytes(toBuffer(stdout), toNumbers(toBuffer(stdout).length));
  });

  it('is gone with an sbx that is killed', async () => {
    const child = home.start([
      'exec',
      sandbox,
      'sh',
      '-c',
      'head -c 20971520 /dev/zero; touch /tmp/flooded; exec sleep 1000',
    ]);
    while ((await home.run(['exec', sandbox, 'test', '-e', '/tmp/flooded'])).exitCode !== 0);
    child.kill('SIGKILL');
    await child;
    expect(await readdir(temporary)).toEqual([]);
  });
});
