import { readdirSync } from 'node:fs';
import type { Exit } from '../../protocol/exit.ts';
import { toSignalNumber } from '../../protocol/exit.ts';
import { readProcessStat, type ProcessStat } from '../../posix/process-stat.ts';
import type { ExecProcess, InputPipe, OutputPipe } from '../driver.ts';
import { isInPidNamespace } from './pid-namespace.ts';

export interface RunningExec {
  readonly stat: ProcessStat;
  readonly reaped: Promise<Exit>;
  readonly stdin: InputPipe | null;
  readonly stdout: OutputPipe;
  readonly stderr: OutputPipe;
  /** Of the sandbox: what is not in it is never signalled. */
  readonly pidNamespace: string | undefined;
  /** Asked once, after a KILL. */
  readonly lackedMemory: () => boolean;
}

/** The port's view of a command that runs. */
export function toExecProcess(exec: RunningExec): ExecProcess {
  const { stat, stdin, stdout, stderr } = exec;
  let isReaped = false;
  let wasOutOfMemory = false;
  const ended = exec.reaped.then((exit) => {
    isReaped = true;
    if ('signal' in exit && exit.signal === 'KILL') wasOutOfMemory = exec.lackedMemory();
    return exit;
  });
  const signal = (number: number): boolean => !isReaped && signalGroup(stat, number);
  return {
    stdin,
    stdout,
    stderr,
    ended,
    wasOutOfMemory: () => wasOutOfMemory,
    signal: (name) => signal(toSignalNumber(name)),
    kill() {
      signal(toSignalNumber('KILL'));
      killSession(stat.session, exec.pidNamespace);
    },
  };
}

/** The number of a process and of its group are its own until it is reaped, which only this process does. */
function signalGroup({ group, pid }: ProcessStat, number: number): boolean {
  // A command that has left its first group is still the one that is meant.
  return send(-group, number) || send(pid, number);
}

/** Ends what is left of an exec: its session, which is its own and which a job of a shell does not leave. */
function killSession(session: number, pidNamespace: string | undefined): void {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    if (readProcessStat(pid)?.session !== session) continue;
    // The number may have gone to another session since this one ended.
    if (pidNamespace !== undefined && isInPidNamespace(pid, pidNamespace)) send(pid, toSignalNumber('KILL'));
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
