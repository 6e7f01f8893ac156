import type { ErrorBody } from './errors.ts';
import type { OutputStream, StreamBytes } from './events.ts';
import type { Exit, ExitReason } from './exit.ts';

/** The one version of the native API; sent and answered as `Sbx-Protocol`. */
export const PROTOCOL = 1;
const API = '/api/v1';

export type Network = 'none' | 'host';

/** The distance from TERM to KILL where nobody names another, in milliseconds. */
export const KILL_AFTER_MS = 5_000;
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
}

export type ExecState = 'created' | 'running' | 'exited' | 'failed' | 'lost';

export interface ExecRecord {
  readonly schema: 1;
  readonly id: string;
  readonly owner: string;
  readonly sandbox: { readonly id: string; readonly name: string };
  readonly argv: readonly string[];
  readonly state: ExecState;
  readonly created: string;
  readonly ended: string | null;
  readonly exit: Exit | null;
  readonly reason: ExitReason | null;
  readonly error: ErrorBody | null;
  readonly bytes: StreamBytes;
  readonly drain_truncated: boolean;
}

/** Absolute offsets: all before them has arrived. */
export type AckRequest = Partial<StreamBytes>;

export interface SignalRequest {
  /** `TERM`; `KILL` ends the exec for the reason `killed`. */
  readonly signal: string;
}

export interface CloseRequest {
  readonly stream: OutputStream;
}

export interface StdinEndRequest {
  /** Bytes of stdin before its end. */
  readonly offset: number;
}

export interface StdinAnswer {
  readonly accepted: number;
  /** The child can read no more of it. */
  readonly closed: boolean;
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
  close: (id: string) => `${API}/execs/${id}/close`,
  stdin: (id: string, offset: number) => `${API}/execs/${id}/stdin?offset=${offset}`,
  stdinEnd: (id: string) => `${API}/execs/${id}/stdin/end`,
} as const;
