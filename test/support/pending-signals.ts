import { readFileSync } from 'node:fs';

/** Of two equal signals of which none was taken yet only one arrives. */
export function hasPendingSignals(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return !/^ShdPnd:\s0+$/m.test(status);
}
