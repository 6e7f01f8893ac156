import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../support/byte-reader.ts';
import { release, runInSteps, startDetachedShell, toWait } from '../../support/detached.ts';
import { makeMark, waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { parseLine, parseLines, toBytes, type Form, type Json } from '../../support/json-schema.ts';
import { runShell } from '../../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

const start = (...script: readonly [string, ...string[]]): Promise<string> =>
  startDetachedShell(home, sandbox, script);

/** Starts it and waits for its end. */
async function runToEnd(...script: readonly [string, ...string[]]): Promise<string> {
  const id = await start(...script);
  await home.run(['wait', id]);
  return id;
}

/** Runs `sbx`, which says nothing on stderr; what it printed has the form. */
async function run(form: Form, ...args: string[]): Promise<{ lines: Json[]; exitCode: number | undefined }> {
  const { stdout, stderr, exitCode } = await home.run(args, { maxBuffer: 2 ** 30 });
  expect(stderr).toBe('');
  return { lines: stdout === '' ? [] : parseLines(String(stdout), form), exitCode };
}

/** The bytes of one stream. */
function join(lines: readonly Json[], stream: string): string {
  return Buffer.concat(lines.filter(({ event }) => event === stream).map(toBytes)).toString();
}

const NONE = '00000000-0000-4000-8000-000000000000';

describe('sbx exec --detach --json', () => {
  it('prints the id and the sandbox', async () => {
    const { lines, exitCode } = await run(
      'detached',
      'exec',
      '-d',
      '--json',
      sandbox,
      '--',
      'sh',
      '-c',
      'exit 3',
    );
    expect({ lines, exitCode }).toEqual({
      lines: [{ schema: 1, id: expect.any(String) as string, sandbox }],
      exitCode: 0,
    });
    expect(await home.run(['wait', lines[0]!.id])).toMatchObject({ exitCode: 3 });
  });

  it.each([
    { words: ['no-such-command'], status: 127, code: 'command_not_found' },
    { words: ['/etc/passwd'], status: 126, code: 'cannot_execute' },
  ])('is the error with its status where nothing starts: $words', async ({ words, status, code }) => {
    const { lines, exitCode } = await run('failure', 'exec', '-d', '--json', sandbox, '--', ...words);
    expect({ lines, exitCode }).toMatchObject({ lines: [{ error: { code } }], exitCode: status });
  });

  it.each([
    { words: ['-d', '--json', '--stream'], names: '--stream' },
    { words: ['-d', '-i', '--json', '--json-input'], names: '--json-input' },
    { words: ['-d', '--json', '--json-input'], names: '--json-input' },
  ])('does not go with a stream: $words', async ({ words, names }) => {
    const { lines, exitCode } = await run('failure', 'exec', ...words, sandbox, '--', 'true');
    expect({ lines, exitCode }).toMatchObject({ lines: [{ error: { code: 'usage' } }], exitCode: 125 });
    expect(lines[0]!.error.message).toContain(names);
  });
});

it('sbx create --json prints what sbx inspect does', async () => {
  const { lines } = await run('sandbox', 'create', '--json', '--label', 'a=é', 'made');
  const { stdout } = await home.run(['inspect', 'made']);
  expect(lines).toEqual([JSON.parse(String(stdout))]);
});

describe('sbx wait --json', () => {
  it('prints how it ended', async () => {
    const id = await start('exec sleep 1000');
    const waiting = run('ended', 'wait', '--json', id);
    await home.run(['kill', id]);
    const ended = { exit: { signal: 'TERM' }, reason: 'killed', status: 143, error: null };
    expect(await waiting).toEqual({ lines: [{ schema: 1, id, sandbox, ...ended }], exitCode: 143 });
    const again = await run('ended', 'wait', '--json', id.slice(0, 8));
    expect(again).toEqual(await waiting);
  });

  it('prints why it did not start', async () => {
    await home.run(['exec', sandbox, 'no-such-command']);
    const { execs } = (await run('execs', 'ps', '--all', '--json', sandbox)).lines[0]!;
    const { id } = execs.at(-1)!;
    const { lines, exitCode } = await run('ended', 'wait', '--json', id);
    expect(lines).toMatchObject([{ id, exit: null, reason: null, error: { code: 'command_not_found' } }]);
    expect([lines[0]!.status, exitCode]).toEqual([127, 127]);
  });

  it('prints nothing where a signal ends the waiting', async () => {
    const id = await start('exec sleep 1000');
    const line = 'timeout -s TERM 1 sbx wait --json "$1"; echo "$?"';
    expect(await runShell(home, line, [id])).toMatchObject({ stdout: '124\n', stderr: '' });
    await home.run(['kill', id]);
  });
});

describe('sbx logs --json', () => {
  it('prints both streams with their offsets and times, and no end', async () => {
    const steps = ['echo out', 'echo err >&2', "printf 'é\\377'; exit 7"] as const;
    const id = await runInSteps(home, sandbox, { steps });
    const { lines, exitCode } = await run('logEvent', 'logs', '--json', id);
    expect(exitCode).toBe(0);
    expect(lines.map(({ event, offset }) => [event, offset])).toEqual([
      ['stdout', 0],
      ['stderr', 0],
      ['stdout', 4],
    ]);
    expect(lines[2]).toMatchObject({ base64: 'w6n/' });
    expect(await run('logEvent', 'logs', '--json', '--stderr', id)).toMatchObject({
      lines: [{ event: 'stderr', text: 'err\n' }],
    });
  });

  it('tells the offsets of what --tail and --since leave', async () => {
    const id = await runInSteps(home, sandbox, { steps: ['printf "one\ntwo\n"', 'echo three'] });
    expect(await run('logEvent', 'logs', '--json', '--tail', '2', id)).toMatchObject({
      lines: [
        { event: 'stdout', offset: 4, text: 'two\n' },
        { event: 'stdout', offset: 8, text: 'three\n' },
      ],
    });
    const { time } = (await run('logEvent', 'logs', '--json', id)).lines[1]! as unknown as { time: number };
    const since = new Date(time).toISOString();
    expect(await run('logEvent', 'logs', '--json', '--since', since, id)).toMatchObject({
      lines: [{ offset: 8, text: 'three\n' }],
    });
  });

  it('tells what was dropped, and goes on behind it', async () => {
    const id = await runToEnd('seq 1 100000', '--log-size', '64KiB');
    const { lines } = await run('logEvent', 'logs', '--json', id);
    const written = Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join('');
    const { to } = lines[0]! as unknown as { to: number };
    expect(lines[0]).toEqual({ event: 'gap', stream: 'stdout', from: 0, to });
    expect(lines[1]!.offset).toBe(to);
    expect(join(lines, 'stdout')).toBe(written.slice(to));
  });

  it('follows to the end', async () => {
    const mark = makeMark();
    const id = await start(`echo now; ${toWait(mark)}; echo late`);
    const following = home.start(['logs', '-f', '--json', id]);
    const stdout = new ByteReader(following.stdout);
    following.stderr.resume();
    expect(parseLine(`${await stdout.line()}\n`, 'logEvent')).toMatchObject({ text: 'now\n' });
    await release(home, sandbox, mark);
    const rest = parseLine((await stdout.rest()).toString(), 'logEvent');
    expect(rest).toMatchObject({ offset: 4, text: 'late\n' });
    expect(await following).toMatchObject({ exitCode: 0 });
  });

  it('is an error event where nothing is kept, and on stderr where it cannot be written', async () => {
    await home.run(['exec', sandbox, 'true']);
    const { execs } = (await run('execs', 'ps', '--all', '--json', sandbox)).lines[0]!;
    const kept = await run('logEvent', 'logs', '--json', execs.at(-1)!.id);
    expect(kept).toMatchObject({
      lines: [{ event: 'error', error: { code: 'output_not_kept' }, status: 125 }],
      exitCode: 125,
    });
    const id = await runToEnd('echo hi');
    const { stderr, exitCode } = await runShell(home, 'sbx logs --json "$1" >/dev/full', [id]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(/^sbx: Cannot write to stdout: .*\nsbx: hint: Nothing is lost.*\n$/);
    expect(await runShell(home, 'sbx logs --json "$1" | true; echo "${PIPESTATUS[1]}"', [id])).toMatchObject({
      stderr: '',
    });
  });

  it('does not go with --timestamps', async () => {
    const { lines, exitCode } = await run('execEvent', 'logs', '--json', '-t', NONE);
    expect({ lines, exitCode }).toMatchObject({ lines: [{ error: { code: 'usage' } }], exitCode: 125 });
  });
});

describe('sbx attach --json', () => {
  it('prints the events of sbx exec, from where it begins', async () => {
    const mark = makeMark();
    const id = await start(`printf 12345; ${toWait(mark)}; cat; exit 5`, '-i');
    await waitUntil(async () => String((await home.run(['logs', id])).stdout) === '12345');
    const child = home.start(['attach', '--json', '--from', '2', id]);
    const stdout = new ByteReader(child.stdout);
    const next = async (): Promise<Json> => parseLine(`${await stdout.line()}\n`, 'execEvent');
    expect(await next()).toMatchObject({ event: 'attached', id, sandbox, owner: true, from: { stdout: 2 } });
    expect(await next()).toMatchObject({ event: 'started', id, sandbox });
    expect(await next()).toMatchObject({ event: 'stdout', offset: 2, text: '345' });
    await release(home, sandbox, mark);
    child.stdin.end('more');
    expect(await next()).toMatchObject({ event: 'stdout', offset: 5, text: 'more' });
    expect(await next()).toMatchObject({ event: 'exit', exit: { code: 5 }, status: 5, bytes: { stdout: 9 } });
    expect(await child).toMatchObject({ exitCode: 5 });
  });

  it('tells the owner that another has taken it over, and whose end it was', async () => {
    const id = await start('exec cat', '-i');
    const first = home.start(['attach', '--json', id]);
    const [stdout, stderr] = [new ByteReader(first.stdout), new ByteReader(first.stderr)];
    const next = async (): Promise<Json> => parseLine(`${await stdout.line()}\n`, 'execEvent');
    expect(await next()).toMatchObject({ event: 'attached', owner: true });
    expect(await next()).toMatchObject({ event: 'started' });
    const second = home.start(['attach', '--take', id]);
    expect(await next()).toEqual({ event: 'taken' });
    first.kill('SIGTERM');
    expect(await next()).toMatchObject({ event: 'error', error: { code: 'session_lost' }, status: 143 });
    expect((await stderr.rest()).toString()).toBe('');
    second.stdout.resume();
    second.stdin.end();
    expect(await second).toMatchObject({ exitCode: 0 });
  });

  it('of one that ended is its end', async () => {
    const id = await runToEnd('echo hi; exit 4');
    const { lines, exitCode } = await run('execEvent', 'attach', '--json', '--from', 'start', id);
    expect(lines).toMatchObject([
      { event: 'attached', owner: false, from: { stdout: 0, stderr: 0 } },
      { event: 'stdout', offset: 0, text: 'hi\n' },
      { event: 'exit', status: 4 },
    ]);
    expect(exitCode).toBe(4);
  });
});

describe('an error about an exec, where --json is among the words', () => {
  it.each<{ words: string[]; form: Form }>([
    { words: ['wait', '--json'], form: 'failure' },
    { words: ['logs', '--json'], form: 'logEvent' },
    { words: ['attach', '--json'], form: 'execEvent' },
  ])('is an object: sbx $words', async ({ words, form }) => {
    for (const [word, code] of [
      [NONE, 'exec_not_found'],
      ['box', 'invalid_exec_id'],
    ] as const) {
      const { lines, exitCode } = await run(form, ...words, word);
      expect({ lines, exitCode }).toMatchObject({ lines: [{ error: { code } }], exitCode: 125 });
    }
    const { lines } = await run(form, ...words, NONE, '--nonsense');
    expect(lines).toMatchObject([{ error: { code: 'usage' } }]);
  });

  it('is an object for a command that has no other: sbx kill, sbx ps', async () => {
    const killed = await run('failure', 'kill', '--json', NONE);
    expect(killed).toMatchObject({ lines: [{ error: { code: 'usage' } }], exitCode: 125 });
    const listed = await run('failure', 'ps', '--json', 'none-such');
    expect(listed).toMatchObject({ lines: [{ error: { code: 'sandbox_not_found' } }], exitCode: 125 });
  });
});
