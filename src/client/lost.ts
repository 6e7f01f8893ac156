import { SbxError } from '../protocol/errors.ts';

/** How the exec ended, or that it did, cannot be known. */
export function toLost(why: string, cause?: unknown): SbxError {
  return new SbxError('session_lost', `session ended without exit event: ${why}`, { cause });
}
