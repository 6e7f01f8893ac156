import { SbxError } from '../../protocol/errors.ts';

/**
 * What a system call said about a log on disk, for people: `disk_full` or `state_dir_unusable`, with the path. What no
 * system call said is a bug, and stays what it is.
 */
export function toStoredError(path: string, cause: unknown): Error {
  const { code, message, syscall } = cause as NodeJS.ErrnoException;
  if (syscall === undefined) return cause as Error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SbxError('disk_full', `Cannot write the log ${path}: the disk is full`, { cause });
  }
  return new SbxError('state_dir_unusable', `Cannot use the log ${path}: ${message}`, { cause });
}

export function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === 'ENOENT';
}
