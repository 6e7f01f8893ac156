import type { ErrorBody } from './errors.ts';
import type { OutputStream, StreamBytes } from './events.ts';
import type { Exit, ExitReason } from './exit.ts';

/** The one version of the native API; sent and answered as `Sbx-Protocol`. */
export const PROTOCOL = 1;
const API = '/api/v1';

export type Network = 'none' | 'host';

/** The distance from TERM to KILL where nobody names another, in milliseconds. */
export const KILL_AFTER_MS = 5_000;
/** How long a server that is told to stop waits for the execs that have a client, in milliseconds. */
export const STOP_TIMEOUT_MS = 10_000;
export const HEARTBEAT_MS = 5_000;
/** Silence on the wire for this long is a cut, in milliseconds. */
export const CUT_MS = 15_000;
/** A reader's window: the least that is taken, and what our own client asks for, in bytes. */
export const MIN_WINDOW = 128 * 1024;
export const DEFAULT_WINDOW = 4 * 1024 * 1024;
/** Bytes of stdin that the server holds for a child that does not read them. */
export const STDIN_WINDOW = 1024 * 1024;
/** What one body of stdin carries before the next begins. */
export const STDIN_BODY = { bytes: 512 * 1024, ms: 30_000 } as const;
/** How long an owner client that was cut off may take to come back where it does not say, in milliseconds. */
export const RECONNECT_GRACE_MS = 2_000;
/** The same for a client on the other side of a network. */
export const TCP_RECONNECT_GRACE_MS = 60_000;
/** Bytes of output that a log on disk keeps where nobody says otherwise, and the least that may be asked for. */
export const DEFAULT_LOG_BYTES = 64 * 1024 * 1024;
export const MIN_LOG_BYTES = 64 * 1024;

export interface CreateSandboxRequest {
  readonly name?: string;
  readonly network?: Network;
  readonly labels?: Readonly<Record<string, string>>;
  /** Removed when it is this old. */
  readonly ttl_ms?: number;
}

export interface SandboxRecord {
  readonly schema: 1;
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly driver: string;
  readonly runtime: string;
  readonly network: Network;
  readonly labels: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly created: string;
  /** ISO 8601, or null for one that lives until it is removed. */
  readonly expires: string | null;
  /** Made for one exec and removed with it. */
  readonly fresh: boolean;
}

export interface SandboxStatus extends SandboxRecord {
  readonly state: 'running' | 'stopped';
}

export interface StartExecRequest {
  /** A UUID that the client chooses. */
  readonly id: string;
  /** Name or id; without one the command runs in a fresh sandbox that is removed afterwards. */
  readonly sandbox?: string;
  /** Of the fresh sandbox. */
  readonly network?: Network;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly stdin?: 'pipe' | 'null';
  readonly timeout_ms?: number;
  readonly kill_after_ms?: number;
  /** What may be on its way to the owner client beyond what it has acknowledged, for each stream. */
  readonly window?: StreamBytes;
  /** A UUID of the session that starts it: with it that session is known again after a cut. */
  readonly client?: string;
  /** It has no owner client: nobody's going ends it, and its output goes to a log on disk. */
  readonly detached?: boolean;
  /** Keep the output in a log on disk as of a detached one. */
  readonly log?: boolean;
  /** How much that log keeps, in bytes; the oldest goes first. */
  readonly log_bytes?: number;
  /** How long the exec waits for an owner client that was cut off. */
  readonly reconnect_grace_ms?: number;
  /** What becomes of it when that time has passed: it is ended, or goes on as a detached one. Who leaves ends it. */
  readonly on_disconnect?: 'kill' | 'keep';
  /** The client promises to be heard this often, also when it has nothing to say: three times as long is a cut. */
  readonly heartbeat_ms?: number;
}

/**
 * Where a reader begins: with all that is kept, with what comes from now on, at a position, or at an offset in each
 * stream. A position that is gone is an error, `position_expired`; what is gone behind an offset is told as a `gap`.
 */
export type ReadFrom = 'start' | 'now' | number | StreamBytes;

/** Reads an exec that somebody started: as a watcher, or as the owner client that was cut off. */
export interface AttachRequest {
  readonly id: string;
  /** The session; that of the owner client makes this the owner's stream again. */
  readonly client?: string;
  /** `now` where it is left out. */
  readonly from?: ReadFrom;
  /** Become the owner client, also where there is another; without it a client that is named does where there is none. */
  readonly take?: boolean;
  /** Never become the owner client. */
  readonly watch?: boolean;
  /** False: nothing but events without payload. */
  readonly output?: boolean;
  readonly window?: StreamBytes;
  readonly reconnect_grace_ms?: number;
  readonly heartbeat_ms?: number;
}

export type ExecState = 'created' | 'running' | 'exited' | 'failed' | 'lost';

export interface ExecRecord {
  readonly schema: 1;
  readonly id: string;
  readonly owner: string;
  readonly sandbox: { readonly id: string; readonly name: string };
  readonly argv: readonly string[];
  /** True where these are not all the words: of an exec that has ended 4 KiB of them are kept. */
  readonly argv_truncated?: boolean;
  readonly state: ExecState;
  readonly created: string;
  readonly ended: string | null;
  readonly exit: Exit | null;
  readonly reason: ExitReason | null;
  readonly error: ErrorBody | null;
  readonly bytes: StreamBytes;
  /** Streams that were closed on request. */
  readonly closed: readonly OutputStream[];
  readonly drain_truncated: boolean;
  /** From the start of the command to its end; null where one of them is not known. */
  readonly duration_ms: number | null;
  readonly detached: boolean;
  /** Its output is in a log on disk. */
  readonly log: boolean;
}

/** Absolute offsets: all before them is where it belongs. It is also how a client is heard that has nothing to say. */
export interface AckRequest extends Partial<StreamBytes> {
  /** Whose reading it is; the owner client's where it is left out. On a channel it is the channel's. */
  readonly client?: string;
}

/**
 * The client will not come back: an exec that has ended is let go of, one that runs has lost its client. One that this
 * client has started, and owns, is ended then whatever `on_disconnect` says, unless it was started as a detached one.
 */
export interface LeaveRequest {
  readonly client?: string;
}

export interface SignalRequest {
  /** `TERM`; `KILL` ends the exec for the reason `killed`. */
  readonly signal: string;
  readonly client?: string;
  /** Counts the signals of a client, from 1: one that was taken before is not sent again. */
  readonly number?: number;
}

/** TERM, and KILL when that did not help; the reason is `killed`. */
export interface KillRequest {
  readonly kill_after_ms?: number;
}

export interface CloseRequest {
  readonly stream: OutputStream;
  readonly client?: string;
}

export interface StdinEndRequest {
  /** Bytes of stdin before its end. */
  readonly offset: number;
  readonly client?: string;
}

export interface StdinAnswer {
  readonly accepted: number;
  /** The child can read no more of it. */
  readonly closed: boolean;
}

/** Stops the server: nothing new is started, and what runs is ended. */
export interface StopRequest {
  /** Refuse to, with `busy`, while an exec runs. */
  readonly if_idle?: boolean;
  /**
   * How long execs that have an owner client may take to end by themselves; at once where it is left out. A server that
   * waits already waits no longer for it.
   */
  readonly wait_ms?: number;
}

export interface VersionAnswer {
  readonly instance: string;
  readonly protocol: number;
  readonly version: string;
}

export interface HealthAnswer extends VersionAnswer {
  readonly pid: number;
  readonly uptime_ms: number;
  readonly runtime: string;
  readonly sandboxes: number;
  /** Execs that have not ended. */
  readonly running: number;
}

/** Paths of the native API. */
export const routes = {
  version: `${API}/version`,
  health: `${API}/health`,
  stop: `${API}/stop`,
  sandboxes: `${API}/sandboxes`,
  sandbox: (name: string) => `${API}/sandboxes/${encodeURIComponent(name)}`,
  execs: `${API}/execs`,
  channel: `${API}/channel`,
  exec: (id: string) => `${API}/execs/${id}`,
  events: (id: string) => `${API}/execs/${id}/events`,
  ack: (id: string) => `${API}/execs/${id}/ack`,
  signal: (id: string) => `${API}/execs/${id}/signal`,
  kill: (id: string) => `${API}/execs/${id}/kill`,
  leave: (id: string) => `${API}/execs/${id}/leave`,
  close: (id: string) => `${API}/execs/${id}/close`,
  stdin: (id: string, offset: number, client: string) =>
    `${API}/execs/${id}/stdin?offset=${offset}&client=${client}`,
  stdinEnd: (id: string) => `${API}/execs/${id}/stdin/end`,
} as const;
