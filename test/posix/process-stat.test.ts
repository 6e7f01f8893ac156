import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parseProcessStat, readProcessStat } from '../../src/posix/process-stat.ts';

const REST = 'S 10 20 30 0 -1 4194304 52 0 0 0 1 2 0 0 20 0 1 0 987654 1000 50';

describe('the status of a process', () => {
  it.each(['sh', 'a b', 'x) R 1 2 3 (y', ')', '(', 'line\nfeed'])('is read past the name "%s"', (name) => {
    expect(parseProcessStat(`7 (${name}) ${REST}\n`)).toEqual({
      pid: 7,
      state: 'S',
      parent: 10,
      group: 20,
      session: 30,
      hasExecuted: true,
      startTime: '987654',
    });
  });

  it('tells whether it is still a copy of its parent', () => {
    expect(parseProcessStat('7 (crun) Z 10 20 30 0 -1 4227404 52').hasExecuted).toBe(false);
  });

  it('is that of this process', () => {
    expect(readProcessStat(process.pid)).toMatchObject({
      pid: process.pid,
      parent: process.ppid,
      hasExecuted: true,
    });
  });

  it('is nothing once it has been reaped', () => {
    expect(readProcessStat(spawnSync('true').pid)).toBeUndefined();
  });
});
