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
