import { describe, expect, it } from 'vitest';
import { parseWaitStatus, toExitStatus, toSignalName, toSignalNumber } from '../../src/protocol/exit.ts';

describe('the exit status', () => {
  it.each([
    [{ exit: { code: 0 }, reason: 'exited' }, 0],
    [{ exit: { code: 255 }, reason: 'exited' }, 255],
    [{ exit: { signal: 'KILL' }, reason: 'killed' }, 137],
    [{ exit: { signal: 'PIPE' }, reason: 'exited' }, 141],
    [{ exit: { signal: 'KILL' }, reason: 'sandbox_removed' }, 137],
    [{ exit: { signal: 'RTMIN+1' }, reason: 'exited' }, 163],
    [{ exit: { code: 0 }, reason: 'timeout' }, 124],
    [{ exit: { signal: 'KILL' }, reason: 'timeout' }, 124],
    [{ exit: null, reason: 'lost' }, 125],
    [{ exit: null, reason: 'exited' }, 125],
  ] as const)('of %j is %i', (record, status) => {
    expect(toExitStatus(record)).toBe(status);
  });
});

describe('the status word of waitpid', () => {
  it.each([
    [0, { code: 0 }],
    [42 << 8, { code: 42 }],
    [255 << 8, { code: 255 }],
    [137 << 8, { code: 137 }],
    [9, { signal: 'KILL' }],
    [9 | 0x80, { signal: 'KILL' }],
    [35, { signal: 'RTMIN+1' }],
  ])('%i is %j', (status, exit) => {
    expect(parseWaitStatus(status)).toEqual(exit);
  });

  it('of a stopped process is no end', () => {
    expect(() => parseWaitStatus((19 << 8) | 0x7f)).toThrow('is not an end');
  });
});

describe('signals', () => {
  it('have the same name there and back', () => {
    for (let number = 1; number <= 64; number += 1) expect(toSignalNumber(toSignalName(number))).toBe(number);
  });

  it.each(['NOPE', 'toString', 'RTMIN+31', 'RTMIN+-34'])('of a name that is none are refused: %s', (name) => {
    expect(() => toSignalNumber(name)).toThrow(TypeError);
  });
});
