/** One run for each way to end: how it is typed, and how programs are told. */
export interface StatusCase {
  readonly what: string;
  readonly options?: readonly string[];
  /** Another sandbox than that of the test. */
  readonly sandbox?: string;
  readonly argv: readonly string[];
  readonly status: number;
  /** Of the exit event. */
  readonly ended?: { readonly exit: object | null; readonly reason: string };
  /** Code of the error, where there is no exit event. */
  readonly code?: string;
}

const sh = (script: string): string[] => ['sh', '-c', script];

export const STATUS_CASES: readonly StatusCase[] = [
  { what: 'code 0', argv: ['true'], status: 0, ended: { exit: { code: 0 }, reason: 'exited' } },
  { what: 'code 137', argv: sh('exit 137'), status: 137, ended: { exit: { code: 137 }, reason: 'exited' } },
  {
    what: 'death by KILL',
    argv: sh('kill -9 $$'),
    status: 137,
    ended: { exit: { signal: 'KILL' }, reason: 'exited' },
  },
  {
    what: 'death by a real-time signal',
    argv: ['bash', '-c', 'kill -s 40 $$'],
    status: 168,
    ended: { exit: { signal: 'RTMIN+6' }, reason: 'exited' },
  },
  {
    what: 'a timeout',
    options: ['--timeout', '300ms'],
    argv: ['sleep', '1000'],
    status: 124,
    ended: { exit: { signal: 'TERM' }, reason: 'timeout' },
  },
  { what: 'a missing command', argv: ['no-such-command'], status: 127, code: 'command_not_found' },
  { what: 'a file that is no program', argv: ['/etc/passwd'], status: 126, code: 'cannot_execute' },
  {
    what: 'a missing directory',
    options: ['-w', '/none/such'],
    argv: ['true'],
    status: 126,
    code: 'bad_directory',
  },
  {
    what: 'an unknown sandbox',
    sandbox: 'none-such',
    argv: ['true'],
    status: 125,
    code: 'sandbox_not_found',
  },
];
