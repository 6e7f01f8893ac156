/** How the main process of an exec ended, as the kernel told the code that reaped it. */
export type Exit = { readonly code: number } | { readonly signal: string };

/** Why an exec ended. */
export type ExitReason =
  | 'exited'
  | 'timeout'
  | 'client_gone'
  | 'killed'
  | 'sandbox_removed'
  | 'out_of_memory'
  | 'start_failed'
  | 'lost';

/** The record that keeps *how* and *why* apart. `exit` is null where nobody reaped the process. */
export interface ExitRecord {
  readonly exit: Exit | null;
  readonly reason: ExitReason;
}

/** Exit status of `sbx` itself when it cannot know, or could not do, what was asked. */
export const SBX_FAILED = 125;
const TIMED_OUT = 124;

/** SIGRTMAX. */
const LAST_SIGNAL = 64;
const FIRST_REAL_TIME = 34;

/** Signal numbers of Linux on x86-64 and arm64 (signal(7)). */
const SIGNALS = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
} as const;

export type SignalName = keyof typeof SIGNALS;

/** The names of signals that a process can be sent, as a regular expression. */
export const SIGNAL_PATTERN = `^(${Object.keys(SIGNALS).join('|')}|RTMIN\\+([0-9]|[12][0-9]|30))$`;

const NAMES = new Map<number, string>(Object.entries(SIGNALS).map(([name, n]) => [n, name]));

/** `TERM` for 15; a real-time signal has no name of its own and is `RTMIN+n`, counted from 34 as in kill(1). */
export function toSignalName(number: number): string {
  return NAMES.get(number) ?? `RTMIN+${number - FIRST_REAL_TIME}`;
}

/** @throws TypeError for what is the name of no signal from 1 to {@link LAST_SIGNAL} */
export function toSignalNumber(name: string): number {
  if (Object.hasOwn(SIGNALS, name)) return SIGNALS[name as SignalName];
  const realTime = /^RTMIN\+(-?\d+)$/.exec(name);
  const number = realTime === null ? 0 : FIRST_REAL_TIME + Number(realTime[1]);
  if (number >= 1 && number <= LAST_SIGNAL) return number;
  throw new TypeError(`No signal is called ${name}`);
}

/** Decodes the status word of waitpid(2). A stopped or continued process has not ended and is a bug here. */
export function parseWaitStatus(status: number): Exit {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff };
  if (signal === 0x7f) throw new Error(`waitpid status ${status} is not an end`);
  return { signal: toSignalName(signal) };
}

/**
 * The exit status of `sbx exec` for a record, as `$?` would show it.
 * An exec whose process nobody reaped is never turned into a number of its own: that is 125.
 */
export function toExitStatus(record: ExitRecord): number {
  if (record.reason === 'timeout') return TIMED_OUT;
  if (record.exit === null) return SBX_FAILED;
  if ('code' in record.exit) return record.exit.code;
  return 128 + toSignalNumber(record.exit.signal);
}
