import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ByteReader, toSha256 } from '../../support/byte-reader.ts';
import { findGuests, makeMark, waitUntil } from '../../support/guests.ts';
import { openHome, useHome, useSandbox } from '../../support/home.ts';
import { parseLine, parseLines, toBytes, type Json } from '../../support/json-schema.ts';
import { hasPendingSignals } from '../../support/pending-signals.ts';
import { runShell } from '../../support/shell.ts';
import { STATUS_CASES } from '../../support/status-cases.ts';

const home = useHome();
const sandbox = useSandbox(home);

const TERMINAL = ['exit', 'error'];

/** Runs `sbx exec --stream --json` to its end; gives its events, of which the last one alone is terminal. */
async function run(args: readonly string[], input?: Buffer): Promise<Json[]> {
  const { stdout, stderr, exitCode } = await home.run(['exec', '--stream', '--json', ...args], {
    ...(input !== undefined && { stdin: 'pipe', input }),
    maxBuffer: 2 ** 30,
  });
  expect(stderr).toBe('');
  const events = parseLines(String(stdout), 'execEvent');
  const ends = events.filter(({ event }) => TERMINAL.includes(event));
  expect(ends).toEqual([events.at(-1)]);
  expect(ends[0]).toMatchObject({ status: exitCode });
  return events;
}

/** The bytes of one stream, whose offsets have to add up. */
function join(events: readonly Json[], stream: string): Buffer {
  let offset = 0;
  const chunks = events
    .filter(({ event }) => event === stream)
    .map((event) => {
      expect(event.offset).toBe(offset);
      const bytes = toBytes(event);
      offset += bytes.length;
      return bytes;
    });
  return Buffer.concat(chunks);
}

describe('sbx exec --stream --json', () => {
  it('prints the start, the output and the end, an event a line', async () => {
    const events = await run([sandbox, 'sh', '-c', 'echo out; exec sh -c "echo err >&2; exit 3"']);
    expect(events[0]).toMatchObject({ event: 'started', schema: 1, sandbox });
    expect(join(events, 'stdout').toString()).toBe('out\n');
    expect(join(events, 'stderr').toString()).toBe('err\n');
    expect(events.at(-1)).toEqual({
      event: 'exit',
      schema: 1,
      exit: { code: 3 },
      reason: 'exited',
      status: 3,
      bytes: { stdout: 4, stderr: 4 },
      closed: [],
      duration_ms: expect.any(Number) as number,
      drain_truncated: false,
    });
  });

  it.each(STATUS_CASES)('tells $what, with the status $status', async (known) => {
    const { options = [], argv, status, ended, code } = known;
    const events = await run([...options, known.sandbox ?? sandbox, ...argv]);
    const told = ended ? { event: 'exit', ...ended } : { event: 'error', error: { code } };
    expect(events.at(-1)).toMatchObject({ ...told, status });
    expect(events.map(({ event }) => event)).toEqual(ended ? ['started', 'exit'] : ['error']);
  });

  it.each([
    { what: 'a bad flag', args: ['--stream', '--json', '--nonsense', 'web', 'true'], names: '--nonsense' },
    { what: 'one before it', args: ['--nonsense', '-i', '--json', 'web', 'true'], names: '--nonsense' },
    { what: 'no command', args: ['-ni', '--json', 'web'], names: '"web"' },
    {
      what: 'requests, and no stdin for them',
      args: ['-n', '--stream', '--json', '--json-input', 'web', 'cat'],
      names: '--no-stdin',
    },
  ])('is one error event for $what', async ({ args, names }) => {
    const { stdout, stderr, exitCode } = await home.run(['exec', ...args]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 125 });
    const event = parseLine(stdout, 'execEvent');
    expect(event).toMatchObject({ event: 'error', status: 125, error: { code: 'usage' } });
    expect(event.error.message).toContain(names);
  });

  it('writes an event when its bytes come, and forwards stdin as it is', async () => {
    const child = home.start(['exec', '--stream', '--json', sandbox, 'cat']);
    const stdout = new ByteReader(child.stdout);
    const next = async (): Promise<Json> => parseLine(`${await stdout.line()}\n`, 'execEvent');
    expect(await next()).toMatchObject({ event: 'started' });
    for (const word of ['one', '{"eof": true}', 'é']) {
      child.stdin.write(word);
      expect(await next()).toMatchObject({ event: 'stdout', text: word });
    }
    child.stdin.end();
    expect(await next()).toMatchObject({ event: 'exit', status: 0 });
  });

  it('carries binary bytes of both streams whole and in order', async () => {
    const bytes = randomBytes(5_000_000);
    const events = await run([sandbox, 'sh', '-c', 'tee /dev/stderr'], bytes);
    expect(toSha256(join(events, 'stdout'))).toBe(toSha256(bytes));
    expect(toSha256(join(events, 'stderr'))).toBe(toSha256(bytes));
    expect(events.at(-1)).toMatchObject({ bytes: { stdout: bytes.length, stderr: bytes.length } });
  });

  it('carries text as text, but for a chunk that cuts a character', async () => {
    const bytes = Buffer.from('"\\\0\x1b\x7f é漢😀\r\n'.repeat(20_000));
    const events = await run([sandbox, 'cat'], bytes);
    expect(toSha256(join(events, 'stdout'))).toBe(toSha256(bytes));
    const small = await run([sandbox, 'printf', '%s', 'é漢😀\x01']);
    expect(small[1]).toMatchObject({ event: 'stdout', text: 'é漢😀\x01' });
  });

  it('forwards a signal that is sent to sbx', async () => {
    const script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    const child = home.start(['exec', '--stream', '--json', '-n', sandbox, 'sh', '-c', script]);
    const stdout = new ByteReader(child.stdout);
    expect(await stdout.line()).toContain('"started"');
    expect(await stdout.line()).toContain('ready');
    child.kill('SIGTERM');
    const rest = parseLines((await stdout.rest()).toString(), 'execEvent');
    expect(rest.at(-1)).toMatchObject({ event: 'exit', exit: { code: 7 }, status: 7 });
    expect(await child).toMatchObject({ exitCode: 7 });
  });

  it('kills at the third interrupt without a word on stderr', async () => {
    const script = "trap '' INT; echo ready; while :; do sleep 0.05; done";
    const child = home.start(['exec', '--stream', '--json', '-n', sandbox, 'sh', '-c', script]);
    const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
    while (!(await stdout.line()).includes('ready'));
    for (let count = 0; count < 3; count += 1) {
      await waitUntil(() => !hasPendingSignals(child.pid!));
      child.kill('SIGINT');
    }
    const rest = parseLines((await stdout.rest()).toString(), 'execEvent');
    expect(rest.at(-1)).toMatchObject({ reason: 'killed', exit: { signal: 'KILL' }, status: 137 });
    expect((await stderr.rest()).toString()).toBe('');
  });

  it('ends with an error event where the server is killed', async () => {
    const other = await openHome();
    const name = await other.createSandbox();
    const child = other.start([
      'exec',
      '--stream',
      '--json',
      '-n',
      name,
      'sh',
      '-c',
      'echo hi; exec sleep 300',
    ]);
    const stdout = new ByteReader(child.stdout);
    while (!(await stdout.line()).includes('"hi'));
    const status = await other.run(['daemon', 'status', '--json']);
    process.kill(parseLine(status.stdout, 'daemon').pid, 'SIGKILL');
    const rest = parseLines((await stdout.rest()).toString(), 'execEvent');
    expect(rest).toMatchObject([{ event: 'error', error: { code: 'session_lost' }, status: 125 }]);
    expect(await child).toMatchObject({ exitCode: 125 });
    await other.run(['ls']);
    await other.close();
  });
});

describe('a stdout of events that', () => {
  it.each([
    { stream: 'stdout', script: 'exec yes' },
    { stream: 'stderr', script: 'exec yes >&2' },
  ])('its reader leaves ends a command that writes to $stream by SIGPIPE', async ({ script }) => {
    const mark = makeMark();
    const line = 'sbx exec --stream --json "$1" sh -c "$2" | head -n 1; echo "${PIPESTATUS[0]}"';
    const { stdout, stderr } = await runShell(home, line, [sandbox, `${script} ${mark}`]);
    expect(stderr).toBe('');
    const [first, status] = stdout.split('\n');
    expect(parseLine(`${first}\n`, 'execEvent')).toMatchObject({ event: 'started' });
    expect(status).toBe('141');
    expect(findGuests(mark)).toEqual([]);
  });

  it.each([
    { where: 'a full disk', to: '>/dev/full', why: 'ENOSPC' },
    { where: 'a closed descriptor', to: '>&-', why: 'closed' },
  ])('is $where ends the command, and is 125 and named on stderr', async ({ to, why }) => {
    const mark = makeMark();
    const line = `sbx exec --stream --json "$1" yes "$2" ${to}`;
    const { stdout, stderr, exitCode } = await runShell(home, line, [sandbox, mark]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(new RegExp(`^sbx: Cannot write to stdout: .*${why}.*\nsbx: hint: .+\n$`));
    expect(findGuests(mark)).toEqual([]);
  });
});
