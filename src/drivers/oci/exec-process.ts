import type { Exit } from '../../protocol/exit.ts';
import type { ProcessStat } from '../../posix/process-stat.ts';
import type { ExecProcess, InputPipe, OutputPipe } from '../driver.ts';
import { signalGroup } from './send-signal.ts';
import type { SessionKiller } from './session-killer.ts';

export interface RunningExec {
  readonly stat: ProcessStat;
  readonly reaped: Promise<Exit>;
  readonly stdin: InputPipe | null;
  readonly stdout: OutputPipe;
  readonly stderr: OutputPipe;
  /** Of the sandbox: what is not in it is never signalled. */
  readonly pidNamespace: string | undefined;
  readonly sessions: SessionKiller;
  /** Asked once, after a KILL. */
  readonly lackedMemory: () => boolean;
}

/** The port's view of a command that runs. */
export function toExecProcess(exec: RunningExec): ExecProcess {
  const { stat, stdin, stdout, stderr, pidNamespace } = exec;
  let isReaped = false;
  let wasOutOfMemory = false;
  const ended = exec.reaped
    .finally(() => {
      // Also where somebody else has reaped it: its number may be another's by now.
      isReaped = true;
    })
    .then((exit) => {
      if ('signal' in exit && exit.signal === 'KILL') wasOutOfMemory = exec.lackedMemory();
      return exit;
    });
  const signal = (name: string): boolean => !isReaped && signalGroup(stat, name);
  return {
    stdin,
    stdout,
    stderr,
    ended,
    wasOutOfMemory: () => wasOutOfMemory,
    signal,
    kill() {
      signal('KILL');
      if (pidNamespace !== undefined) exec.sessions.kill({ stat, pidNamespace });
    },
  };
}
