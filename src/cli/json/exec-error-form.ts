import type { ErrorForm } from './error-form.ts';
import { JSON_SCHEMA } from './ascii-json.ts';

/** `--stream --json`: the one line that tells the end. */
export const toErrorEvent: ErrorForm = (error, status) => ({
  event: 'error',
  schema: JSON_SCHEMA,
  error,
  status,
});

/** `--json`, for an exec that never began. */
export const toFailedExec: ErrorForm = (error, status) => ({
  schema: JSON_SCHEMA,
  id: null,
  sandbox: null,
  exit: null,
  reason: null,
  status,
  error,
  bytes: { stdout: 0, stderr: 0 },
  duration_ms: null,
  drain_truncated: false,
  stdout: { text: '' },
  stderr: { text: '' },
});
