import { SBX_FAILED } from './exit.ts';

interface ErrorRow {
  /** Status of the HTTP answer that carries the error; 0 for an error that only a client can have. */
  readonly http: number;
  /** Exit status of `sbx`. */
  readonly exit: number;
  /** What to do, where the place that throws knows no better. */
  readonly hint: string;
}

/** The one table of everything that people and programs can be told went wrong. */
export const ERRORS = {
  usage: { http: 400, exit: SBX_FAILED, hint: 'See: sbx --help' },
  invalid_argument: { http: 400, exit: SBX_FAILED, hint: 'See: sbx --help' },
  invalid_name: {
    http: 400,
    exit: SBX_FAILED,
    hint: 'A name is 1 to 63 of a-z, 0-9 and -, and begins with a letter or a digit',
  },
  invalid_duration: { http: 400, exit: SBX_FAILED, hint: 'Durations look like 500ms, 30s, 5m or 2h' },
  invalid_size: { http: 400, exit: SBX_FAILED, hint: 'Sizes look like 500k, 64MiB or 1G' },
  invalid_text: {
    http: 400,
    exit: SBX_FAILED,
    hint: 'Pass other bytes on stdin or in a file',
  },
  invalid_host: {
    http: 400,
    exit: SBX_FAILED,
    hint: 'Addresses look like unix:///path/to.sock, http://host:port or https://host:port',
  },
  env_unset: { http: 400, exit: SBX_FAILED, hint: 'Set it, or give a value: -e NAME=VALUE' },
  env_file_unreadable: { http: 0, exit: SBX_FAILED, hint: 'Check the path and its permissions' },
  sandbox_not_found: { http: 404, exit: SBX_FAILED, hint: 'List yours with: sbx ls' },
  sandbox_exists: {
    http: 409,
    exit: SBX_FAILED,
    hint: 'Choose another name, or remove it with: sbx rm NAME',
  },
  sandbox_stopped: { http: 409, exit: SBX_FAILED, hint: 'Remove it with: sbx rm NAME' },
  invalid_exec_id: {
    http: 400,
    exit: SBX_FAILED,
    hint: 'An id is a UUID, or its first 8 characters or more. List yours with: sbx ps --all',
  },
  exec_not_found: { http: 404, exit: SBX_FAILED, hint: 'List yours with: sbx ps --all' },
  exec_ambiguous: { http: 409, exit: SBX_FAILED, hint: 'Give more characters of the id' },
  exec_exists: { http: 409, exit: SBX_FAILED, hint: 'Choose a new UUID for each exec' },
  exec_running: { http: 409, exit: SBX_FAILED, hint: 'End it first with: sbx kill EXEC' },
  exec_ended: { http: 409, exit: SBX_FAILED, hint: 'How it ended is told by: sbx wait EXEC' },
  output_not_kept: {
    http: 410,
    exit: SBX_FAILED,
    hint: 'Output is kept of execs with --detach or --log, and of those that went on by --on-disconnect keep',
  },
  log_unreadable: {
    http: 0,
    exit: SBX_FAILED,
    hint: 'The exec is not harmed: see what is wrong with the disk, and read it again',
  },
  position_expired: { http: 410, exit: SBX_FAILED, hint: 'Read what is kept with: --from start' },
  position_beyond_end: { http: 400, exit: SBX_FAILED, hint: 'Read what comes from here on with: --from now' },
  stdin_offset: { http: 409, exit: SBX_FAILED, hint: 'Go on from the offset that was accepted' },
  stdin_owned: { http: 409, exit: SBX_FAILED, hint: 'Take it over with: sbx attach --take EXEC' },
  stdin_ended: { http: 409, exit: SBX_FAILED, hint: 'Nothing can follow the end of stdin' },
  command_not_found: {
    http: 422,
    exit: 127,
    hint: 'Look for it inside with: sbx exec SANDBOX -- sh -c "command -v NAME"',
  },
  cannot_execute: { http: 422, exit: 126, hint: 'Check its mode, its interpreter and its format' },
  argument_too_long: { http: 422, exit: 126, hint: 'Pass it on stdin or in a file' },
  bad_directory: { http: 422, exit: 126, hint: 'Make it first, or choose another with -w' },
  bad_user: { http: 422, exit: 126, hint: 'Choose one that the sandbox has, or numbers: -u UID:GID' },
  runtime_unavailable: { http: 503, exit: SBX_FAILED, hint: 'See what works here with: sbx doctor' },
  runtime_failed: { http: 500, exit: SBX_FAILED, hint: 'See what works here with: sbx doctor' },
  disk_full: { http: 507, exit: SBX_FAILED, hint: 'Make room under the state directory' },
  state_dir_unusable: { http: 0, exit: SBX_FAILED, hint: 'Choose another with SBX_STATE_DIR' },
  server_unreachable: { http: 0, exit: SBX_FAILED, hint: 'See its state with: sbx daemon status' },
  daemon_failed: { http: 0, exit: SBX_FAILED, hint: 'See what works here with: sbx doctor' },
  upgrade_required: { http: 426, exit: SBX_FAILED, hint: 'Use the event stream of the exec instead' },
  protocol_mismatch: { http: 426, exit: SBX_FAILED, hint: 'Restart the daemon with: sbx daemon restart' },
  shutting_down: { http: 503, exit: SBX_FAILED, hint: 'Try again in a moment' },
  busy: { http: 409, exit: SBX_FAILED, hint: 'Wait for its execs to end, or end them with: sbx daemon stop' },
  session_lost: { http: 0, exit: SBX_FAILED, hint: 'How the command ended is not known' },
  input_failed: { http: 0, exit: SBX_FAILED, hint: 'The command was ended; it has not got all of its input' },
  output_failed: { http: 0, exit: SBX_FAILED, hint: 'The command was ended; part of its output is missing' },
  setup_failed: { http: 0, exit: SBX_FAILED, hint: 'See what works here with: sbx doctor' },
  route_not_found: { http: 404, exit: SBX_FAILED, hint: 'The API begins at /api/v1' },
  internal: { http: 500, exit: SBX_FAILED, hint: 'This is a bug in sbx: its log has the details' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** The one JSON shape of an error, in an answer's body and in the `error` event. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  /** With `stdin_offset`: the offset that would have been right, in bytes. */
  readonly offset?: number;
}

export interface SbxErrorOptions extends ErrorOptions {
  readonly hint?: string;
  readonly offset?: number;
}

/**
 * An error for people: what was tried, what is, what was wanted, and in `hint` what to do next.
 * A bug stays a plain `Error`, so that its stack is shown.
 */
export class SbxError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly offset: number | undefined;

  constructor(code: ErrorCode, message: string, options: SbxErrorOptions = {}) {
    super(message, options);
    this.name = 'SbxError';
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.offset = options.offset;
  }

  /** The error that an event or an answer tells of. */
  static fromBody({ code, message, ...rest }: ErrorBody): SbxError {
    return new SbxError(code, message, rest);
  }

  get httpStatus(): number {
    return ERRORS[this.code].http || 500;
  }

  get exitStatus(): number {
    return ERRORS[this.code].exit;
  }

  toBody(): ErrorBody {
    const { code, message, hint, offset } = this;
    return offset === undefined ? { code, message, hint } : { code, message, hint, offset };
  }
}

/** Reads the error shape out of an answer; a code of a newer server is kept as `internal` with its words. */
export function parseErrorBody(value: unknown): SbxError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { code, message, hint, offset } = value as Record<string, unknown>;
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'internal';
  return new SbxError(known, message, {
    ...(typeof hint === 'string' && { hint }),
    ...(typeof offset === 'number' && { offset }),
  });
}
