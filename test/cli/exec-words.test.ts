import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAttach } from '../../src/cli/commands/attach.ts';
import { parseKill } from '../../src/cli/commands/kill.ts';
import { parseLogs } from '../../src/cli/commands/logs.ts';
import { parsePs } from '../../src/cli/commands/ps.ts';
import { parseSince } from '../../src/cli/logs/parse-since.ts';
import { parseSignalName } from '../../src/cli/options/signal-name.ts';
import { formatCommandWords } from '../../src/cli/output/command-words.ts';

const failsWith = (code: string): unknown => expect.objectContaining({ code }) as unknown;

describe('a command in one line', () => {
  it.each([
    [['ls', '-la', '/tmp'], 'ls -la /tmp'],
    [['sh', '-c', 'echo hi; exit 1'], "sh -c 'echo hi; exit 1'"],
    [['echo', "it's"], "echo 'it'\\''s'"],
    [['echo', ''], "echo ''"],
    [['printf', 'a\nb\tc\u001b[31m'], "printf $'a\\nb\\tc\\e[31m'"],
    [['echo', "\u0007'\\"], "echo $'\\x07\\'\\\\'"],
    [['echo', '\u0085\u2028\u202e'], "echo $'\\u0085\\u2028\\u202e'"],
    [['echo', '\u{e0041}'], "echo $'\\U000e0041'"],
    [['echo', 'Grüße'], "echo 'Grüße'"],
  ])('%j is %s', (argv, shown) => {
    expect(formatCommandWords(argv, 60)).toBe(shown);
  });

  it('is what a shell makes the same words of', () => {
    const argv = ['%s|', "it's", '$HOME `id` "x"', 'a\nb', '\\', '*', '', '\u0007é\u2028'];
    const line = `printf ${formatCommandWords(argv, 1000)}`;
    const printed = execFileSync('bash', ['--norc', '-c', line], { env: { LC_ALL: 'C.UTF-8' } }).toString();
    expect(printed).toBe(
      argv
        .slice(1)
        .map((word) => `${word}|`)
        .join(''),
    );
  });

  it.each([
    [['a'.repeat(60)], 'a'.repeat(60)],
    [['a'.repeat(61)], `${'a'.repeat(59)}…`],
    [['echo', '🙂'.repeat(70)], `echo '${'🙂'.repeat(53)}…`],
    [['a'.repeat(1_000_000), 'b'], `${'a'.repeat(59)}…`],
    [Array.from({ length: 1_000_000 }, () => 'a'), `${'a '.repeat(29)}a…`],
  ])('is cut at 60 characters', (argv, shown) => {
    expect(formatCommandWords(argv, 60)).toBe(shown);
  });
});

describe('a signal', () => {
  it.each([
    ['TERM', 'TERM'],
    ['SIGTERM', 'TERM'],
    ['sigusr1', 'USR1'],
    ['15', 'TERM'],
    ['9', 'KILL'],
    ['RTMIN+3', 'RTMIN+3'],
    ['37', 'RTMIN+3'],
    ['64', 'RTMIN+30'],
  ])('may be typed as %s', (text, name) => {
    expect(parseSignalName(text)).toBe(name);
  });

  it.each(['', '0', '-9', '32', '65', '1e1', 'FOO', 'SIG', 'RTMIN+31', 'RTMIN+-1', 'toString'])(
    'is not %j',
    (text) => {
      expect(() => parseSignalName(text)).toThrow(failsWith('usage'));
    },
  );
});

describe('a time since when', () => {
  const now = Date.parse('2026-02-03T12:00:00Z');
  const zone = process.env['TZ'];

  beforeAll(() => {
    process.env['TZ'] = 'Asia/Tokyo';
  });
  afterAll(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  it.each([
    ['5m', now - 300_000],
    ['1.5h', now - 5_400_000],
    ['2026-01-31T12:00:00Z', Date.parse('2026-01-31T12:00:00Z')],
    ['2026-01-31T12:00:00.250+01:00', Date.parse('2026-01-31T11:00:00.250Z')],
    ['2026-01-31T12:00:00', Date.parse('2026-01-31T03:00:00Z')],
    ['2026-01-31 12:00', Date.parse('2026-01-31T03:00:00Z')],
    ['2026-01-31', Date.parse('2026-01-30T15:00:00Z')],
  ])('may be %s, here in Tokyo', (text, time) => {
    expect(parseSince(text, now)).toBe(time);
  });

  it.each([
    '',
    'yesterday',
    '5',
    '2026-13-01',
    '2026-02-31',
    '2026-02-29T10:00:00',
    '2026-01-31T25:00:00Z',
    '12:00',
    '-5m',
  ])('is not %j', (text) => {
    expect(() => parseSince(text, now)).toThrow(failsWith('usage'));
  });

  it('is not a duration of no unit that there is', () => {
    expect(() => parseSince('5w', now)).toThrow(failsWith('invalid_duration'));
  });
});

describe('the words of the commands about execs', () => {
  it('are options and ids', () => {
    expect(parseAttach(['5b0c9a41'])).toEqual({
      exec: '5b0c9a41',
      from: 'now',
      takes: false,
      hasStdin: true,
      isJson: false,
    });
    expect(parseAttach(['-n', '--json', '--take', '--from', '42', 'x'])).toEqual({
      exec: 'x',
      from: 42,
      takes: true,
      hasStdin: false,
      isJson: true,
    });
    expect(parseKill(['-s', 'SIGHUP', 'a', 'b'])).toEqual({
      execs: ['a', 'b'],
      signal: 'HUP',
      killAfterMs: undefined,
    });
    expect(parsePs(['-a', '--json', 'box'])).toEqual({ sandbox: 'box', hasAll: true, form: 'json' });
    expect(parseLogs(['x', '-ft', '--tail', '5', '--stderr'])).toEqual({
      exec: 'x',
      streams: ['stderr'],
      isFollowing: true,
      tail: 5,
      since: undefined,
      form: 'stamped',
    });
    expect(parseLogs(['x', '--stderr', '--stdout']).streams).toEqual(['stdout', 'stderr']);
  });

  it.each([
    () => parseAttach([]),
    () => parseAttach(['a', 'b']),
    () => parseAttach(['--from', '-1', 'a']),
    () => parseAttach(['--from', '1.5', 'a']),
    () => parseKill([]),
    () => parseKill(['-s', 'TERM', '--kill-after', '1s', 'a']),
    () => parsePs(['-q', '--json']),
    () => parseLogs(['--tail', '1000001', 'a']),
    () => parseLogs(['--tail', '', 'a']),
    () => parseLogs(['-t', '--json', 'a']),
  ])('that say nothing that can be done are refused: %s', (parse) => {
    expect(parse).toThrow(failsWith('usage'));
  });
});
