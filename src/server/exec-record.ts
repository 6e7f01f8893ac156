import type { ExecRecord, ExecState, SandboxRecord, StartExecRequest } from '../protocol/api.ts';
import type { StreamBytes, TerminalEvent } from '../protocol/events.ts';
import type { ExitReason } from '../protocol/exit.ts';

export interface ExecFacts {
  readonly request: StartExecRequest;
  readonly sandbox: SandboxRecord;
  readonly owner: string;
  readonly created: Date;
  readonly hasStarted: boolean;
  /** Where it has ended. */
  readonly end: { readonly at: Date; readonly terminal: TerminalEvent } | undefined;
  readonly bytes: StreamBytes;
  readonly isDetached: boolean;
  /** Its output is in a log on disk. */
  readonly isLogged: boolean;
}

/** What is told and kept of an exec. */
export function toExecRecord({
  request,
  sandbox,
  owner,
  created,
  hasStarted,
  end,
  bytes,
  isDetached,
  isLogged,
}: ExecFacts): ExecRecord {
  return {
    schema: 1,
    id: request.id,
    owner,
    sandbox: { id: sandbox.id, name: sandbox.name },
    argv: request.argv,
    state: hasStarted ? 'running' : 'created',
    created: created.toISOString(),
    ended: end?.at.toISOString() ?? null,
    exit: null,
    reason: null,
    error: null,
    bytes,
    closed: [],
    drain_truncated: false,
    duration_ms: null,
    detached: isDetached,
    log: isLogged,
    ...(end !== undefined && toEnding(end.terminal)),
  };
}

/** What is kept of the words of a command that has ended, in bytes. */
const KEPT_ARGV = 4096;

/**
 * The record of an exec that has ended, as it is kept: a thousand of them are not to be a thousand lists of files. The
 * end of a word counts as a byte.
 */
export function toKeptRecord(record: ExecRecord): ExecRecord {
  const argv: string[] = [];
  let left = KEPT_ARGV;
  for (const word of record.argv) {
    const length = Buffer.byteLength(word) + 1;
    if (length > left) return { ...record, argv: [...argv, cut(word, left)], argv_truncated: true };
    argv.push(word);
    left -= length;
  }
  return record;
}

/** The beginning of a text, of whole characters; a copy, as a part of a text keeps the whole of it. */
function cut(text: string, most: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(bytes.length, most);
  while (end > 0 && end < bytes.length && isWithinCharacter(bytes[end] as number)) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function isWithinCharacter(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

type Ending = Pick<ExecRecord, 'state' | 'reason'> & Partial<ExecRecord>;

function toEnding(terminal: TerminalEvent): Ending {
  const state = toFinalState(terminal);
  const reason = toReason(terminal);
  if (terminal.type === 'error') return { state, reason, error: terminal.error };
  const { exit, closed, drain_truncated, duration_ms } = terminal;
  return { state, reason, exit, closed, drain_truncated, duration_ms };
}

function toFinalState(terminal: TerminalEvent): ExecState {
  if (terminal.type === 'exit') return 'exited';
  return terminal.error.code === 'session_lost' ? 'lost' : 'failed';
}

function toReason(terminal: TerminalEvent): ExitReason {
  if (terminal.type === 'exit') return terminal.reason;
  return terminal.error.code === 'session_lost' ? 'lost' : 'start_failed';
}
