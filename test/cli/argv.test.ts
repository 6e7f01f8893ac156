import { describe, expect, it } from 'vitest';
import { splitExecArgv } from '../../src/cli/argv.ts';

const shapes = [
  { short: '-i', long: '--stream', takesValue: false },
  { short: '-n', long: '--no-stdin', takesValue: false },
  { short: '-e', long: '--env', takesValue: true },
  { short: undefined, long: '--timeout', takesValue: true },
];

const split = (line: string): unknown => splitExecArgv(line === '' ? [] : line.split(' '), shapes);

describe('the words of sbx exec', () => {
  it.each([
    ['web ls -la', [], 'web', ['ls', '-la']],
    ['web --stream ls -la', ['--stream'], 'web', ['ls', '-la']],
    ['--stream web ls --stream', ['--stream'], 'web', ['ls', '--stream']],
    ['-- ls -la', [], undefined, ['ls', '-la']],
    ['--stream -- ls', ['--stream'], undefined, ['ls']],
    ['web -- ls', [], 'web', ['ls']],
    ['web -- -x', [], 'web', ['-x']],
    ['web ls -- -x', [], 'web', ['ls', '--', '-x']],
    ['web -- -- x', [], 'web', ['--', 'x']],
    ['-e A=1 web env', ['-e', 'A=1'], 'web', ['env']],
    ['-e -- web env', ['-e', '--'], 'web', ['env']],
    ['-eA=1 web env', ['-eA=1'], 'web', ['env']],
    ['-ine A=1 web env', ['-ine', 'A=1'], 'web', ['env']],
    ['--timeout 5s web x', ['--timeout', '5s'], 'web', ['x']],
    ['--timeout=5s web x', ['--timeout=5s'], 'web', ['x']],
    ['web', [], 'web', []],
    ['web -', [], 'web', ['-']],
    ['', [], undefined, []],
    ['--', [], undefined, []],
  ])('%j', (line, ...parts) => {
    const [options, sandbox, command] = parts;
    expect(split(line)).toEqual({ options, sandbox, command });
  });

  it.each([
    ['--nope web ls', '--nope'],
    ['-x web ls', '-x'],
    ['-ix web ls', '-x in -ix'],
    ['web --timeout', '--timeout needs a value'],
    ['web -e', '-e needs a value'],
    ['--stream=yes web ls', '--stream takes no value'],
  ])('%j is refused', (line, words) => {
    expect(() => split(line)).toThrow(words);
  });
});
