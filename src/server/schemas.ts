import { MIN_WINDOW } from '../protocol/api.ts';

/** JSON Schemas of the requests; their types are in `protocol/api.ts`. */

const uuid = {
  type: 'string',
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
} as const;
const text = { type: 'string', pattern: '^[^\\u0000]*$' } as const;
const count = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const milliseconds = { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 } as const;
const network = { enum: ['none', 'host'] } as const;
const stream = { enum: ['stdout', 'stderr'] } as const;

function object(properties: Record<string, unknown>, required: readonly string[] = []): object {
  return { type: 'object', properties, required, additionalProperties: false };
}

const window = { type: 'integer', minimum: MIN_WINDOW, maximum: 64 * 1024 * 1024 } as const;

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
      window: object({ stdout: window, stderr: window }, ['stdout', 'stderr']),
    },
    ['id', 'argv'],
  ),
};

const execParams = object({ id: uuid }, ['id']);

export const execSchema = { params: execParams };
export const ackSchema = { params: execParams, body: object({ stdout: count, stderr: count }) };
export const signalSchema = {
  params: execParams,
  body: object({ signal: { type: 'string', pattern: '^[A-Z0-9+]{2,10}$' } }, ['signal']),
};
export const closeSchema = { params: execParams, body: object({ stream }, ['stream']) };
export const stdinEndSchema = { params: execParams, body: object({ offset: count }, ['offset']) };
export const stdinSchema = {
  params: execParams,
  querystring: object({ offset: { type: 'string', pattern: '^[0-9]{1,15}$' } }, ['offset']),
};
export const stopSchema = { body: object({ if_idle: { type: 'boolean' } }) };
