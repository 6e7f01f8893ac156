import type { SandboxRecord } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';

/** Why a command was not started, for people: a driver knows its sandboxes by their ids only. */
export function toStartError(error: unknown, { name }: SandboxRecord): unknown {
  if (!(error instanceof SbxError) || error.code !== 'sandbox_stopped') return error;
  return new SbxError('sandbox_stopped', `Cannot exec in "${name}": the sandbox is stopped`, {
    hint: `Remove it with: sbx rm ${name}`,
    cause: error,
  });
}
