import type { AttachRequest, StartExecRequest } from '../protocol/api.ts';
import type { ExecEvent } from '../protocol/events.ts';
import type { Gap, OutputChunk } from './output-lane.ts';
import type { StdinSource } from './stdin-source.ts';
import type { Transport } from './transport.ts';

/**
 * Where output goes. The chunk is valid until the call returns. `written` is called when the bytes are where they
 * belong, and counts as their acknowledgement; what comes until then is gathered, and given in larger chunks.
 */
export type OutputTarget = (chunk: Buffer, written: () => void, place: OutputPlace) => void;

/** Where a chunk stands in its stream, and when its first byte was read there, in milliseconds since the epoch. */
export type OutputPlace = Pick<OutputChunk, 'offset' | 'time'>;

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
  /**
   * Output reaches its targets in the order in which the server read both streams; a target that is behind delays the
   * other. Else only the order within each is certain.
   */
  readonly isOrdered?: boolean | undefined;
  /** Every event as it comes, before it is acted on. An output event's bytes are valid until the call returns. */
  readonly onEvent?: (event: ExecEvent) => void;
  /**
   * Bytes that are kept nowhere any more, in their place among those of their stream; `told` as `written` of a target.
   * Without it they are the end of the session.
   */
  readonly onGap?: (gap: Gap, told: () => void) => void;
}
