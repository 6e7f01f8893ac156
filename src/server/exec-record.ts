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
}: ExecFacts): ExecRecord {
  const terminal = end?.terminal;
  const exited = terminal?.type === 'exit' ? terminal : undefined;
  return {
    schema: 1,
    id: request.id,
    owner,
    sandbox: { id: sandbox.id, name: sandbox.name },
    argv: request.argv,
    state: terminal === undefined ? (hasStarted ? 'running' : 'created') : toFinalState(terminal),
    created: created.toISOString(),
    ended: end?.at.toISOString() ?? null,
    exit: exited?.exit ?? null,
    reason: terminal === undefined ? null : toReason(terminal),
    error: terminal?.type === 'error' ? terminal.error : null,
    bytes,
    drain_truncated: exited?.drain_truncated ?? false,
  };
}

function toFinalState(terminal: TerminalEvent): ExecState {
  if (terminal.type === 'exit') return 'exited';
  return terminal.error.code === 'session_lost' ? 'lost' : 'failed';
}

function toReason(terminal: TerminalEvent): ExitReason {
  if (terminal.type === 'exit') return terminal.reason;
  return terminal.error.code === 'session_lost' ? 'lost' : 'start_failed';
}
