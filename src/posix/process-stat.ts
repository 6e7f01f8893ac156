import { readFileSync } from 'node:fs';

/** What `/proc/PID/stat` tells of a process (proc(5)). */
export interface ProcessStat {
  readonly pid: number;
  /** One letter: `R`, `S`, `Z`… */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** False for a process that was forked and has not called exec(2) since. */
  readonly hasExecuted: boolean;
  /** Clock ticks since boot: with the pid it names one process for good. */
  readonly startTime: string;
}

const PF_FORKNOEXEC = 0x40;

/** Undefined when there is no such process. A zombie is still there. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    // ESRCH: it ended between open and read.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** The name in field 2 may itself contain spaces and parentheses, so the fields are counted from the last one. */
export function parseProcessStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): string => fields[number - 3] ?? '';
  return {
    pid: Number.parseInt(text, 10),
    state: field(3),
    parent: Number(field(4)),
    group: Number(field(5)),
    session: Number(field(6)),
    hasExecuted: (Number(field(9)) & PF_FORKNOEXEC) === 0,
    startTime: field(22),
  };
}
