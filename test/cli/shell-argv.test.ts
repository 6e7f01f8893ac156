import { describe, expect, it } from 'vitest';
import { toShellArgv } from '../../src/cli/rsh/shell-argv.ts';

const LIMIT = 128 * 1024;

describe('what sh gets for the words of a remote shell', () => {
  it('is one string, of up to one byte below 128 KiB', () => {
    const longest = 'ä'.repeat(LIMIT / 2 - 1) + 'x';
    expect(toShellArgv(['echo', 'a b', ''])).toEqual(['sh', '-c', 'echo a b ']);
    expect(toShellArgv([longest])).toEqual(['sh', '-c', longest]);
  });

  it.each([
    { what: 'ASCII', text: 'x'.repeat(LIMIT) },
    { what: 'characters of two bytes', text: 'ä'.repeat(LIMIT) },
    { what: 'characters of three bytes', text: '€'.repeat(LIMIT) },
    { what: 'characters of four bytes', text: '😀'.repeat(LIMIT) },
    { what: 'characters of four bytes, one further', text: `x${'😀'.repeat(LIMIT)}` },
  ])('is pieces that each are one argument, and together the string: $what', ({ text }) => {
    const [, , script, name, ...pieces] = toShellArgv([text]);
    const joined = pieces.map((_, index) => `\${${index + 1}}`).join('');
    expect({ script, name }).toEqual({ script: `eval "shift ${pieces.length}; ${joined}"`, name: 'sh' });
    expect(pieces.join('') === text).toBe(true);
    expect(pieces.filter((piece) => Buffer.byteLength(piece) >= LIMIT)).toEqual([]);
    expect(pieces.filter((piece) => Buffer.from(piece).toString() !== piece)).toEqual([]);
  });
});
