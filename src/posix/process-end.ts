import { setTimeout as delay } from 'node:timers/promises';
import { readProcessStat, type ProcessStat } from './process-stat.ts';

/** How soon a process is looked at again that has not ended. */
const LOOK_MS = 5;

/** One process for good: its number alone may go to another. */
export type KnownProcess = Pick<ProcessStat, 'pid' | 'startTime'>;

/** A zombie has ended, too: only its status is still there. */
export function hasEnded({ pid, startTime }: KnownProcess): boolean {
  const stat = readProcessStat(pid);
  return stat?.startTime !== startTime || stat.state === 'Z' || stat.state === 'X';
}

/** For a process that need not be our child. Resolves with false where it has not ended after so many milliseconds. */
export async function waitForEnd(known: KnownProcess, limitMs: number): Promise<boolean> {
  const limit = performance.now() + limitMs;
  while (!hasEnded(known)) {
    if (performance.now() >= limit) return false;
    await delay(LOOK_MS);
  }
  return true;
}
