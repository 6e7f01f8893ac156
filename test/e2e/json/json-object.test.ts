import { randomBytes } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { ByteReader, toSha256 } from '../../support/byte-reader.ts';
import { makeDirectory } from '../../support/caller.ts';
import { countSockets } from '../../support/daemons.ts';
import { release, toWait } from '../../support/detached.ts';
import { findGuests, makeMark, waitUntil } from '../../support/guests.ts';
import { openHome, type Home } from '../../support/home.ts';
import { parseLine, toBytes, type Json } from '../../support/json-schema.ts';
import { runShell } from '../../support/shell.ts';
import { STATUS_CASES } from '../../support/status-cases.ts';

const MIB = 1024 * 1024;

let home: Home;
let sandbox: string;
let temporary: string;

beforeAll(async () => {
  temporary = await makeDirectory('json-');
  home = await openHome({ TMPDIR: temporary });
  sandbox = await home.createSandbox();
});
afterAll(async () => {
  await home.close();
  await rm(temporary, { recursive: true });
});

/** Runs `sbx exec --json`, which says nothing on stderr, and gives its object. */
async function run(args: readonly string[], input?: Buffer): Promise<Json> {
  const { stdout, stderr, exitCode } = await home.run(['exec', '--json', ...args], {
    ...(input !== undefined && { stdin: 'pipe', input }),
    maxBuffer: 2 ** 30,
  });
  expect(stderr).toBe('');
  const object = parseLine(stdout, 'exec');
  expect(object.status).toBe(exitCode);
  return object;
}

/** Gives the command these bytes to print. */
const echo = (bytes: Buffer): Promise<Json> => run([sandbox, 'cat'], bytes);

describe('sbx exec --json', () => {
  it('prints all that is known of an exec as one object', async () => {
    const object = await run([sandbox, 'sh', '-c', 'printf out; printf err >&2; exit 3']);
    expect(object).toEqual({
      schema: 1,
      id: expect.any(String) as string,
      sandbox,
      exit: { code: 3 },
      reason: 'exited',
      status: 3,
      error: null,
      bytes: { stdout: 3, stderr: 3 },
      duration_ms: expect.any(Number) as number,
      drain_truncated: false,
      stdout: { text: 'out' },
      stderr: { text: 'err' },
    });
  });

  it.each(STATUS_CASES)('tells $what, with the status $status', async (known) => {
    const { options = [], argv, status, ended, code } = known;
    const object = await run([...options, known.sandbox ?? sandbox, ...argv]);
    const { exit = null, reason = null } = ended ?? {};
    const error = code === undefined ? null : { code };
    const place = known.sandbox === undefined ? sandbox : null;
    expect(object).toMatchObject({ status, exit, reason, error, sandbox: place, stdout: { text: '' } });
  });

  it('names the fresh sandbox', async () => {
    expect(await run(['--', 'true'])).toMatchObject({ sandbox: expect.stringMatching(/^[a-z-]+-\d+$/) });
  });

  it('tells of a process that holds a stream', async () => {
    const mark = makeMark();
    const object = await run([sandbox, 'sh', '-c', `{ ${toWait(mark)}; } & echo hi`]);
    expect(object).toMatchObject({ stdout: { text: 'hi\n' }, drain_truncated: true, status: 0 });
    await release(home, sandbox, mark);
  });

  it('keeps what was printed before a timeout', async () => {
    const runFor = (timeoutMs: number): Promise<Json> =>
      run(['--timeout', `${timeoutMs}ms`, sandbox, 'sh', '-c', 'echo out; exec sleep 1000']);
    let timeoutMs = 500;
    let object = await runFor(timeoutMs);
    // The time was over before the command had printed anything.
    while (object.bytes.stdout === 0) object = await runFor((timeoutMs *= 2));
    expect(object).toMatchObject({ stdout: { text: 'out\n' }, reason: 'timeout', status: 124 });
  });

  it.each([
    { what: 'a bad flag', args: ['--nonsense', '--json', 'web', 'true'], names: '--nonsense' },
    { what: 'a bad flag behind it', args: ['--json', '--nonsense', 'web', 'true'], names: '--nonsense' },
    { what: 'a bad duration', args: ['--json', '--timeout', 'soon', 'web', 'true'], names: '"soon"' },
    { what: 'a value for it', args: ['--json=yes', 'web', 'true'], names: '--json' },
    { what: 'no command', args: ['--json', 'web'], names: '"web"' },
    { what: 'requests without --stream', args: ['--json', '--json-input', 'web', 'cat'], names: '--stream' },
  ])('is an object as well for $what', async ({ args, names }) => {
    const { stdout, stderr, exitCode } = await home.run(['exec', ...args]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 125 });
    const object = parseLine(stdout, 'exec');
    expect(object).toMatchObject({ id: null, sandbox: null, exit: null, status: 125 });
    expect(object.error.message).toContain(names);
  });

  it('leaves the words of the command to the command', async () => {
    const { stdout } = await home.run(['exec', sandbox, 'echo', '--json']);
    expect(stdout).toBe('--json\n');
    const bad = await home.run(['exec', '-e', '--json', sandbox, 'true']);
    expect(bad.stdout).toBe('');
    expect(bad.stderr).toMatch(/^sbx: .*--json.*\nsbx: hint: /);
  });

  it('tells that a signal came before the command', async () => {
    const other = await openHome();
    const status = await other.run(['daemon', 'restart']);
    expect(status).toMatchObject({ stderr: '', exitCode: 0 });
    const { pid, socket } = readDaemon(other);
    // It takes the connection, and nothing that comes on it.
    process.kill(pid, 'SIGSTOP');
    const before = countSockets(socket);
    const child = other.start(['exec', '--json', '--', 'true'], { stdin: 'ignore' });
    const stdout = new ByteReader(child.stdout);
    await waitUntil(() => countSockets(socket) > before);
    child.kill('SIGTERM');
    const object = parseLine((await stdout.rest()).toString(), 'exec');
    expect(object).toMatchObject({ status: 143, exit: null, error: { code: 'session_lost' } });
    expect(await child).toMatchObject({ exitCode: 143 });
    process.kill(pid, 'SIGCONT');
    await other.close();
  });
});

describe('bytes in the object', () => {
  it('are text with every control character, quotes, and characters of every length', async () => {
    const controls = Buffer.from(Array.from({ length: 0x80 }, (_, byte) => byte));
    const bytes = Buffer.concat([controls, Buffer.from('"\\/ é \u2028 漢字 \ufeff \ufffd 😀 \u{10ffff}')]);
    const { stdout } = await echo(bytes);
    expect(stdout).toEqual({ text: bytes.toString() });
  });

  it.each([
    { what: 'every byte', bytes: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)) },
    { what: 'a character that is cut at the end', bytes: Buffer.from('fine until 😀').subarray(0, -1) },
    { what: 'half of a pair, in bytes', bytes: Buffer.from([0xed, 0xa0, 0x80]) },
    { what: 'an overlong form', bytes: Buffer.from([0xc0, 0x80]) },
    { what: 'one continuation byte', bytes: Buffer.from([0x80]) },
  ])('are base64 where they are no UTF-8: $what', async ({ bytes }) => {
    const { stdout } = await echo(bytes);
    expect(stdout).toEqual({ base64: bytes.toString('base64') });
  });

  it('are told apart for each stream', async () => {
    const script = String.raw`printf 'fine'; printf '\377' >&2`;
    const object = await run([sandbox, 'sh', '-c', script]);
    expect(object).toMatchObject({ stdout: { text: 'fine' }, stderr: { base64: '/w==' } });
  });

  it.each([0, 1, 2, 3])('are whole where characters lie across chunks, %i bytes in', async (shift) => {
    // Past what is kept in memory, so that it is read back from the file.
    const bytes = Buffer.from('x'.repeat(shift) + 'é漢😀'.repeat(MIB));
    const { stdout } = await echo(bytes);
    expect(Object.keys(stdout)).toEqual(['text']);
    expect(toSha256(toBytes(stdout))).toBe(toSha256(bytes));
  });

  it.each([20 * MIB, 20 * MIB + 1])('are whole where they are binary and many: %i', async (length) => {
    const bytes = randomBytes(length);
    const object = await echo(bytes);
    expect(object.bytes).toEqual({ stdout: length, stderr: 0 });
    expect(Object.keys(object.stdout)).toEqual(['base64']);
    expect(toSha256(toBytes(object.stdout))).toBe(toSha256(bytes));
    expect(await readdir(temporary)).toEqual([]);
  });

  it('are base64 as a whole for one bad byte at the very end', async () => {
    const bytes = Buffer.concat([Buffer.alloc(9 * MIB, 'text '), Buffer.from([0xff])]);
    const { stdout } = await echo(bytes);
    expect(toSha256(toBytes(stdout))).toBe(toSha256(bytes));
  });

  it('take no more memory when there are more of them', async () => {
    const script = `
      export NODE_OPTIONS=--max-old-space-size=64
      sbx exec --json "$1" sh -c 'yes | head -c 268435456' | wc -c; echo "$PIPESTATUS"`;
    const { stdout } = await runShell(home, script, [sandbox]);
    const [length, status] = stdout.trim().split('\n').map(Number);
    expect(status).toBe(0);
    expect(length).toBeGreaterThan(1.5 * 268435456);
  });
});

describe('output of sbx exec --json that cannot be written', () => {
  it.each([
    { where: 'a full disk', to: '>/dev/full', why: 'ENOSPC' },
    { where: 'a closed stdout', to: '>&-', why: 'closed' },
  ])('is 125 and named on stderr: $where', async ({ to, why }) => {
    const { stdout, stderr, exitCode } = await runShell(home, `sbx exec --json "$1" echo hi ${to}`, [
      sandbox,
    ]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(new RegExp(`^sbx: Cannot write to stdout: .*${why}.*\nsbx: hint: .+\n$`));
  });

  it('is an error in the object where it cannot be kept', async () => {
    const mark = makeMark();
    const env = { ...home.env, TMPDIR: join(temporary, 'missing') };
    const { stdout, stderr, exitCode } = await home.run(['exec', '--json', sandbox, 'yes', mark], {
      env,
      maxBuffer: 2 ** 30,
    });
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 125 });
    const object = parseLine(stdout, 'exec');
    expect(object).toMatchObject({ exit: null, status: 125, error: { code: 'output_failed' } });
    expect(object.bytes.stdout).toBe(toBytes(object.stdout).length);
    expect(findGuests(mark)).toEqual([]);
  });

  it('ends an endless command by SIGPIPE when the reader has gone', async () => {
    const mark = makeMark();
    const script = 'sbx exec --json "$1" yes "$2" | true; echo "${PIPESTATUS[0]}"';
    expect(await runShell(home, script, [sandbox, mark])).toEqual({
      stdout: '141\n',
      stderr: '',
      exitCode: 0,
    });
    expect(findGuests(mark)).toEqual([]);
  });

  it('is told from a file that was sent as stdin as well', async () => {
    const file = join(temporary, 'input');
    await writeFile(file, 'from a file');
    const { stdout } = await runShell(home, 'sbx exec --json "$1" cat <"$2"', [sandbox, file]);
    await rm(file);
    expect(parseLine(stdout, 'exec')).toMatchObject({ stdout: { text: 'from a file' } });
  });
});
