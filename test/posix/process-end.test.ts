import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasEnded, waitForEnd } from '../../src/posix/process-end.ts';
import { readProcessStat } from '../../src/posix/process-stat.ts';
import { waitUntil } from '../support/guests.ts';

describe('the end of a process', () => {
  it('is waited for, as long as one wants', async () => {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const known = readProcessStat(child.pid!)!;
    expect(hasEnded(known)).toBe(false);
    expect(await waitForEnd(known, 20)).toBe(false);
    const ended = waitForEnd(known, Infinity);
    child.kill('SIGKILL');
    expect(await ended).toBe(true);
    expect(hasEnded(known)).toBe(true);
  });

  it('has come for one whose number another process has', () => {
    expect(hasEnded({ pid: process.pid, startTime: '1' })).toBe(true);
  });

  it('has come for a zombie', async () => {
    const script = 'sleep 1000 & echo $!; exec sleep 1001';
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const child = readProcessStat(Number(line.toString()))!;
    // From then on it waits for no child.
    await waitUntil(() => readFileSync(`/proc/${parent.pid}/cmdline`, 'utf8').startsWith('sleep'));
    process.kill(child.pid, 'SIGKILL');
    await waitUntil(() => readProcessStat(child.pid)?.state === 'Z');
    expect(hasEnded(child)).toBe(true);
    parent.kill('SIGKILL');
  });
});
