import { toSignalNumber } from '../../protocol/exit.ts';
import type { ProcessStat } from '../../posix/process-stat.ts';

/** False where there is no such process; a negative number is that of a process group. */
export function sendSignal(pid: number, name: string): boolean {
  return send(pid, toSignalNumber(name));
}

/** The number of a process and of its group are its own until it is reaped, which only this process does. */
export function signalGroup({ group, pid }: ProcessStat, name: string): boolean {
  // A command that has left its first group is still the one that is meant.
  return sendSignal(-group, name) || sendSignal(pid, name);
}

/** Whether there is such a process, zombies too. Needs no descriptor, as reading of it would. */
export function isThere(pid: number): boolean {
  try {
    return send(pid, 0);
  } catch {
    // It may not be signalled.
    return true;
  }
}

function send(pid: number, number: number): boolean {
  try {
    return process.kill(pid, number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
