import { MIN_LOG_BYTES, MIN_WINDOW } from '../../protocol/api.ts';
import { SIGNAL_PATTERN } from '../../protocol/exit.ts';

/** JSON Schemas of the requests; their types are in `protocol/api.ts`. */

const uuid = {
  type: 'string',
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
} as const;
const text = { type: 'string', pattern: '^[^\\u0000]*$' } as const;
const digits = { type: 'string', pattern: '^[0-9]{1,15}$' } as const;
const count = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const milliseconds = { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 } as const;
const network = { enum: ['none', 'host'] } as const;
const stream = { enum: ['stdout', 'stderr'] } as const;

/** `object` of JSON Schema, with nothing else in it. */
function object(properties: Record<string, unknown>, required: readonly string[] = []): object {
  return { type: 'object', properties, required, additionalProperties: false };
}

const windowSize = { type: 'integer', minimum: MIN_WINDOW, maximum: 64 * 1024 * 1024 } as const;
const window = object({ stdout: windowSize, stderr: windowSize }, ['stdout', 'stderr']);
const heartbeat = { ...milliseconds, minimum: 100 } as const;

export const createSandboxSchema = {
  body: object({
    name: { type: 'string' },
    network,
    labels: { type: 'object', additionalProperties: text },
    ttl_ms: { ...milliseconds, minimum: 1 },
  }),
};

export const startExecSchema = {
  body: object(
    {
      id: uuid,
      sandbox: { type: 'string' },
      network,
      argv: { type: 'array', items: text, minItems: 1 },
      env: { type: 'object', additionalProperties: text, propertyNames: { pattern: '^[^=\\u0000]+$' } },
      cwd: text,
      user: text,
      stdin: { enum: ['pipe', 'null'] },
      timeout_ms: milliseconds,
      kill_after_ms: milliseconds,
      window,
      client: uuid,
      detached: { type: 'boolean' },
      log: { type: 'boolean' },
      log_bytes: { ...count, minimum: MIN_LOG_BYTES },
      reconnect_grace_ms: milliseconds,
      on_disconnect: { enum: ['kill', 'keep'] },
      heartbeat_ms: heartbeat,
    },
    ['id', 'argv'],
  ),
};

export const attachSchema = {
  body: object(
    {
      id: uuid,
      client: uuid,
      from: {
        anyOf: [
          { enum: ['start', 'now'] },
          count,
          object({ stdout: count, stderr: count }, ['stdout', 'stderr']),
        ],
      },
      take: { type: 'boolean' },
      watch: { type: 'boolean' },
      output: { type: 'boolean' },
      window,
      reconnect_grace_ms: milliseconds,
      heartbeat_ms: heartbeat,
    },
    ['id'],
  ),
};

const execParams = object({ id: uuid }, ['id']);

export const execSchema = { params: execParams };
/** An exec is found by the beginning of its id, too. */
export const findExecSchema = {
  params: object({ id: { type: 'string', pattern: '^[0-9a-f-]{8,36}$' } }, ['id']),
};
const flag = { const: '1' } as const;
export const listExecsSchema = { querystring: object({ active: flag, sandbox: text }) };
/** Values of a query are texts. */
export const eventsSchema = {
  params: execParams,
  querystring: object({
    client: uuid,
    from: { type: 'string', pattern: '^(start|now|[0-9]{1,15})$' },
    stdout: digits,
    stderr: digits,
    take: flag,
    watch: flag,
    output: { const: '0' },
    window: digits,
    reconnect_grace_ms: digits,
    heartbeat_ms: digits,
  }),
};
export const ackSchema = {
  params: execParams,
  body: object({ stdout: count, stderr: count, client: uuid }),
};
export const signalSchema = {
  params: execParams,
  body: object(
    {
      signal: { type: 'string', pattern: SIGNAL_PATTERN },
      client: uuid,
      number: { ...count, minimum: 1 },
    },
    ['signal'],
  ),
};
export const killSchema = { params: execParams, body: object({ kill_after_ms: milliseconds }) };
export const leaveSchema = { params: execParams, body: object({ client: uuid }) };
export const closeSchema = { params: execParams, body: object({ stream, client: uuid }, ['stream']) };
export const stdinEndSchema = {
  params: execParams,
  body: object({ offset: count, client: uuid }, ['offset']),
};
export const stdinSchema = {
  params: execParams,
  querystring: object({ offset: digits, client: uuid }, ['offset']),
};
export const stopSchema = { body: object({ if_idle: { type: 'boolean' }, wait_ms: milliseconds }) };
