import type { AttachRequest, StartExecRequest } from '../protocol/api.ts';
import type { ExecEvent, GapEvent } from '../protocol/events.ts';
import type { StdinSource } from './stdin-source.ts';
import type { Transport } from './transport.ts';

/**
 * Where output goes. The chunk is valid until the call returns. `written` is called when the bytes are where they
 * belong, and counts as their acknowledgement.
 */
export type OutputTarget = (chunk: Buffer, written: () => void) => void;

/** Whether the session starts an exec or reads one that was started. */
export type SessionOpening = { readonly start: SessionStart } | { readonly attach: SessionAttachment };

export type SessionStart = Omit<StartExecRequest, SessionField | 'stdin'>;
export type SessionAttachment = Omit<AttachRequest, SessionField>;

/** What the session says of itself. */
type SessionField = 'client' | 'window' | 'heartbeat_ms' | 'reconnect_grace_ms';

export interface ExecSessionOptions {
  readonly transport: Transport;
  readonly opening: SessionOpening;
  /** A UUID, by which the server knows this session again after a cut. */
  readonly client: string;
  /** Undefined gives the child `/dev/null`. Of an exec that another client owns nothing of it is read. */
  readonly stdin?: StdinSource | undefined;
  readonly stdout: OutputTarget;
  readonly stderr: OutputTarget;
  /** How long to try to come back after a cut, in milliseconds; undefined is 2 s on a Unix socket, 60 s elsewhere. */
  readonly graceMs?: number | undefined;
  /** The server has taken the exec. */
  readonly onAccepted?: () => void;
  /** Every event as it comes, before it is acted on. An output event's bytes are valid until the call returns. */
  readonly onEvent?: (event: ExecEvent) => void;
  /** Bytes that are kept nowhere any more; without it they are the end of the session. */
  readonly onGap?: (gap: GapEvent) => void;
}
