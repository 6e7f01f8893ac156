import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ByteReader, toSha256 } from '../../support/byte-reader.ts';
import { waitForGuestsToEnd, findGuests, makeMark } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';
import { findSchemaErrors, parseLine, parseLines, toBytes, type Json } from '../../support/json-schema.ts';
import { runShell } from '../../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

const FLAGS = ['exec', '--stream', '--json', '--json-input'];

/** Starts a command that is driven by requests. */
function start(...argv: string[]) {
  const child = home.start([...FLAGS, sandbox, ...argv]);
  const stdout = new ByteReader(child.stdout);
  const next = async (): Promise<Json> => parseLine(`${await stdout.line()}\n`, 'execEvent');
  return {
    child,
    next,
    send: (request: Readonly<Record<string, unknown>>) => {
      expect(findSchemaErrors('request', request)).toEqual([]);
      child.stdin.write(`${JSON.stringify(request)}\n`);
    },
    /** The next event of this kind. */
    find: async (kind: string): Promise<Json> => {
      for (;;) {
        const event = await next();
        if (event.event === kind) return event;
      }
    },
    rest: async (): Promise<Json[]> => parseLines((await stdout.rest()).toString(), 'execEvent'),
  };
}

/** Runs `cat`, or what else reads its stdin, with this text as all requests. */
async function feed(input: string | Buffer, argv = ['cat']): Promise<Json[]> {
  const { stdout, stderr } = await home.run([...FLAGS, sandbox, ...argv], {
    stdin: 'pipe',
    input,
    maxBuffer: 2 ** 30,
  });
  expect(stderr).toBe('');
  const events = parseLines(String(stdout), 'execEvent');
  expect(events.filter(({ event }) => ['exit', 'error'].includes(event))).toEqual([events.at(-1)]);
  return events;
}

const joinText = (events: readonly Json[]): Buffer =>
  Buffer.concat(events.filter(({ event }) => event === 'stdout').map(toBytes));

describe('sbx exec --stream --json --json-input', () => {
  it('asks and answers turn by turn', async () => {
    const guest = start('sh', '-c', 'while read -r line; do echo "got $line"; done; echo over; exit 4');
    expect(await guest.next()).toMatchObject({ event: 'started' });
    for (const word of ['one', 'two', '漢字']) {
      guest.send({ stdin: `${word}\n` });
      expect(await guest.next()).toMatchObject({ event: 'stdout', text: `got ${word}\n` });
    }
    guest.send({ eof: true });
    const rest = await guest.rest();
    expect(joinText(rest).toString()).toBe('over\n');
    expect(rest.at(-1)).toMatchObject({ event: 'exit', exit: { code: 4 } });
    expect(await guest.child).toMatchObject({ exitCode: 4 });
  });

  it('takes text and base64 in any mixture, and the end of its lines as the end', async () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const requests = [
      { stdin: 'text "é😀\0"' },
      { stdin_base64: every.toString('base64') },
      { stdin: '' },
      { stdin_base64: '' },
      { stdin: '!' },
    ];
    // Also where the last line has no newline, and lines end as on Windows.
    const events = await feed(requests.map((request) => JSON.stringify(request)).join('\r\n'));
    expect(joinText(events)).toEqual(Buffer.concat([Buffer.from('text "é😀\0"'), every, Buffer.from('!')]));
    expect(events.at(-1)).toMatchObject({ status: 0 });
  });

  it('passes a line of 12 MB, and more input than anybody keeps', async () => {
    const line = { stdin: 'é'.repeat(6_000_000) };
    const lines = Array.from({ length: 400 }, (_, index) => ({ stdin: `${index}`.repeat(10_000) }));
    const input = [line, ...lines].map((request) => `${JSON.stringify(request)}\n`).join('');
    const events = await feed(input, ['sha256sum']);
    const bytes = Buffer.from([line, ...lines].map(({ stdin }) => stdin).join(''));
    expect(joinText(events).toString()).toBe(`${toSha256(bytes)}  -\n`);
  });

  it.each(['TERM', 'SIGTERM'])('sends the signal %s, and the command goes on as it likes', async (signal) => {
    const script = `n=0; trap 'n=$((n + 1)); echo "got $n"' TERM; echo ready
      while [ $n -lt 2 ]; do sleep 0.05; done; exit 6`;
    const guest = start('sh', '-c', script);
    await guest.find('stdout');
    guest.send({ signal });
    expect(await guest.find('stdout')).toMatchObject({ text: 'got 1\n' });
    guest.send({ signal });
    expect((await guest.rest()).at(-1)).toMatchObject({ exit: { code: 6 }, reason: 'exited' });
  });

  it('tells a KILL by its reason', async () => {
    const guest = start('sleep', '1000');
    guest.send({ signal: 'KILL' });
    const last = (await guest.rest()).at(-1);
    expect(last).toMatchObject({ exit: { signal: 'KILL' }, reason: 'killed', status: 137 });
  });

  it('sends signals after the end of stdin as well', async () => {
    const guest = start('sh', '-c', "trap 'exit 8' USR1; cat; echo over; while :; do sleep 0.05; done");
    guest.send({ stdin: 'in' });
    guest.send({ eof: true });
    while (
      !toBytes(await guest.find('stdout'))
        .toString()
        .includes('over')
    );
    guest.send({ signal: 'USR1' });
    expect((await guest.rest()).at(-1)).toMatchObject({ exit: { code: 8 } });
  });

  it('says when the command can read no more, and sends signals all the same', async () => {
    const guest = start('sh', '-c', "trap 'exit 9' TERM; exec <&-; while :; do sleep 0.05; done");
    await guest.find('stdin_closed');
    guest.send({ stdin: 'for nobody' });
    guest.send({ signal: 'TERM' });
    expect((await guest.rest()).at(-1)).toMatchObject({ exit: { code: 9 } });
  });

  it('ends with the command, while its own stdin stays open', async () => {
    const guest = start('true');
    expect((await guest.rest()).at(-1)).toMatchObject({ event: 'exit', status: 0 });
    expect(await guest.child).toMatchObject({ exitCode: 0 });
  });

  it('forwards signals that are sent to sbx behind input that nobody reads', async () => {
    const guest = start('sh', '-c', 'echo ready; exec sleep 1000');
    await guest.find('stdout');
    const line = `${JSON.stringify({ stdin: 'x'.repeat(1_000_000) })}\n`;
    // What is not read stays where it is: with who writes it.
    while (guest.child.stdin.write(line));
    expect(guest.child.stdin.writableNeedDrain).toBe(true);
    guest.child.kill('SIGTERM');
    expect((await guest.rest()).at(-1)).toMatchObject({ exit: { signal: 'TERM' }, status: 143 });
    guest.child.stdin.destroy();
  });

  it('reads requests no further than the command reads its stdin', async () => {
    await home.run(['exec', sandbox, 'mkfifo', '/tmp/go']);
    const guest = start('sh', '-c', 'read -r go </tmp/go; exec wc -c');
    await guest.find('started');
    const line = `${JSON.stringify({ stdin: 'x'.repeat(100_000) })}\n`;
    let count = 0;
    const flood = (async () => {
      for (; count < 100; count += 1) {
        if (!guest.child.stdin.write(line)) await once(guest.child.stdin, 'drain');
      }
    })();
    await home.run(['exec', sandbox, 'sleep', '1']);
    // The server holds 1 MiB; the rest is what lies in pipes, and one line.
    expect(count).toBeLessThan(30);
    await home.run(['exec', sandbox, 'sh', '-c', 'echo >/tmp/go']);
    await flood;
    guest.send({ eof: true });
    expect(joinText(await guest.rest()).toString()).toBe('10000000\n');
  });

  it('takes a closed stdin for one without requests', async () => {
    const script = 'sbx exec --stream --json --json-input "$1" cat <&-';
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(parseLines(stdout, 'execEvent').at(-1)).toMatchObject({ event: 'exit', status: 0 });
  });

  it('tells a stdin that cannot be read as the error it is', async () => {
    const script = 'sbx exec --stream --json --json-input "$1" cat </';
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 125 });
    expect(parseLines(stdout, 'execEvent').at(-1)).toMatchObject({ error: { code: 'input_failed' } });
  });

  it('leaves no command behind when its driver goes', async () => {
    const mark = makeMark();
    const guest = start('sh', '-c', `echo ready; sleep 1000; : ${mark}`);
    await guest.find('stdout');
    expect(findGuests(mark)).not.toEqual([]);
    guest.child.kill('SIGKILL');
    await waitForGuestsToEnd(mark);
  });
});

const BAD_LINES = [
  { what: 'no JSON', line: 'nonsense', names: 'not JSON' },
  { what: 'half an object', line: '{"stdin": "x"', names: 'not JSON' },
  { what: 'an array', line: '["stdin"]', names: 'no object' },
  { what: 'null', line: 'null', names: 'no object' },
  { what: 'a text', line: '"stdin"', names: 'no object' },
  { what: 'an empty object', line: '{}', names: 'no request' },
  { what: 'two requests', line: '{"stdin": "x", "eof": true}', names: '2 members' },
  { what: 'an unknown request', line: '{"stdout": "x"}', names: '"stdout"' },
  { what: 'the name of what every object has', line: '{"toString": 1}', names: '"toString"' },
  { what: 'stdin that is a number', line: '{"stdin": 5}', names: 'stdin is not a text' },
  { what: 'half a character', line: String.raw`{"stdin": "\ud83d"}`, names: 'surrogate' },
  { what: 'base64 with spaces', line: '{"stdin_base64": "Y Q=="}', names: 'base64' },
  { what: 'base64 without padding', line: '{"stdin_base64": "YQ"}', names: 'base64' },
  { what: 'base64 that is null', line: '{"stdin_base64": null}', names: 'not a text' },
  { what: 'an end that is false', line: '{"eof": false}', names: 'not true' },
  { what: 'an unknown signal', line: '{"signal": "NONE"}', names: '"NONE"' },
  {
    what: 'toString as a signal',
    line: '{"signal": "toString"}',
    names: '"toString"',
  },
  { what: 'a signal below the real-time ones', line: '{"signal": "RTMIN+-3"}', names: '"RTMIN+-3"' },
  { what: 'a signal above the real-time ones', line: '{"signal": "RTMIN+31"}', names: '"RTMIN+31"' },
  { what: 'a signal far above them', line: '{"signal": "RTMIN+1234567"}', names: '"RTMIN+1234567"' },
  { what: 'a signal by number', line: '{"signal": 15}', names: 'not a text' },
  { what: 'bytes that are no UTF-8', line: Buffer.from('{"stdin": "\xff"}', 'latin1'), names: 'UTF-8' },
];

describe('a line that is no request', () => {
  it.each(BAD_LINES)('is an event, and the exec goes on: $what', async ({ line, names }) => {
    const before = '{"stdin": "before "}\n\n';
    const input = Buffer.concat([
      Buffer.from(before),
      Buffer.from(line),
      Buffer.from('\n{"stdin": "after"}\n'),
    ]);
    const events = await feed(input);
    const errors = events.filter(({ event }) => event === 'input_error');
    expect(errors).toMatchObject([{ line: 3 }]);
    expect(errors[0]!.error.message).toContain(names);
    expect(joinText(events).toString()).toBe('before after');
    expect(events.at(-1)).toMatchObject({ event: 'exit', status: 0 });
  });

  it('has its number, each of them', async () => {
    const [x, eof, y] = ['{"stdin": "x"}', '{"eof": true}', '{"stdin": "y"}'];
    const lines = ['bad', x, 'bad', '', '   ', eof, y, 'bad', '{"signal": "TERM"}'];
    const events = await feed(lines.join('\n'), ['sleep', '1000']);
    const errors = events.filter(({ event }) => event === 'input_error');
    expect(errors.map(({ line, error }) => [line, error.code])).toEqual([
      [1, 'invalid_argument'],
      [3, 'invalid_argument'],
      [7, 'stdin_ended'],
      [8, 'invalid_argument'],
    ]);
    expect(events.at(-1)).toMatchObject({ exit: { signal: 'TERM' } });
  });

  it('is one that is longer than 16 MiB, of which nothing is kept', async () => {
    const most = 16 * 1024 * 1024;
    const fits = `{"stdin": "${'x'.repeat(most - 13)}"}`;
    expect(fits).toHaveLength(most);
    const long = `{"stdin": "${'y'.repeat(most)}"}`;
    const events = await feed([fits, long, '{"stdin": "z"}'].join('\n'), ['sh', '-c', 'tr -d x | head -c 9']);
    expect(events.filter(({ event }) => event === 'input_error')).toMatchObject([
      { line: 2, error: { code: 'invalid_argument', message: expect.stringContaining('16777216') } },
    ]);
    expect(joinText(events).toString()).toBe('z');
  });
});
