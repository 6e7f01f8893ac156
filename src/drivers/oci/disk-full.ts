import { SbxError } from '../../protocol/errors.ts';

/** Turns a full disk into an error for people; everything else stays what it is. */
export function toDiskError(error: unknown, stateDir: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new SbxError('disk_full', `Cannot write under ${stateDir}: the disk is full`, { cause: error });
}
