import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../src/protocol/duration.ts';
import { isUuid, makeUpName, parseExecId, parseSandboxName } from '../../src/protocol/names.ts';
import { parseSize } from '../../src/protocol/size.ts';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['0.4ms', 1],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 's', '-1s', '1 s', '1w', '1e3s', '25d', 'Infinitys'])('is not %j', (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'invalid_duration' }));
  });
});

describe('a size', () => {
  it.each([
    ['0', 0],
    ['100', 100],
    ['100B', 100],
    ['500k', 512_000],
    ['500K', 512_000],
    ['500kB', 500_000],
    ['500KiB', 512_000],
    ['64MiB', 67_108_864],
    ['64mib', 67_108_864],
    ['1.5M', 1_572_864],
    ['1G', 1_073_741_824],
    ['2GB', 2_000_000_000],
    ['1TiB', 1_099_511_627_776],
    ['0.3B', 1],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'M', '-1M', '1 M', '5iB', '1e3', '1P', '1MiBs', '99999999T', '1..5k', '0x10'])(
    'is not %j',
    (text) => {
      expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'invalid_size' }));
    },
  );
});

describe('the id of an exec', () => {
  it.each([
    ['123e4567-e89b-12d3-a456-426614174000', '123e4567-e89b-12d3-a456-426614174000'],
    ['123e4567', '123e4567'],
    ['123e4567-', '123e4567-'],
    ['123e4567-e89b-12', '123e4567-e89b-12'],
    ['123E4567-E89B', '123e4567-e89b'],
  ])('may be typed as %s', (text, id) => {
    expect(parseExecId(text)).toBe(id);
  });

  it.each([
    '',
    '123e456',
    '123e45678',
    '123e456-',
    'box-with-a-name',
    '--------',
    '123e4567-e89b-12d3-a456-4266141740000',
    '123e4567\n',
    '../../etc',
  ])('is not %j', (text) => {
    expect(() => parseExecId(text)).toThrow(expect.objectContaining({ code: 'invalid_exec_id' }));
  });
});

describe('a sandbox name', () => {
  it.each(['a', '0', 'web-1', 'a'.repeat(63)])('may be %s', (name) => {
    expect(parseSandboxName(name)).toBe(name);
  });

  it.each(['', '-a', 'A', 'a_b', 'a.b', 'a/b', 'é', 'a'.repeat(64), 'a\n'])('may not be %j', (name) => {
    expect(() => parseSandboxName(name)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
  });

  it('that is made up is one', () => {
    for (const random of [0, 0.5, 0.999_999]) {
      const name = makeUpName(() => random);
      expect(parseSandboxName(name)).toBe(name);
    }
  });
});

it('a UUID is told from what is none', () => {
  expect(isUuid('123e4567-e89b-12d3-a456-426614174000')).toBe(true);
  expect(isUuid('123e4567-e89b-12d3-a456-42661417400')).toBe(false);
});
