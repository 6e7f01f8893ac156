import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../src/protocol/duration.ts';
import { isUuid, makeUpName, parseSandboxName } from '../../src/protocol/names.ts';

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
