import { closeSync, constants, openSync } from 'node:fs';
import { setInheritable } from './inheritable.ts';
import { errno, EWOULDBLOCK, flock } from './libc.ts';
import { toPosixError } from './posix-error.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/** A lock that the kernel lets go of when its last descriptor closes, however its holder ends. */
export interface FileLock {
  /** Close-on-exec; inherited on purpose only. */
  readonly fd: number;
  release(): void;
}

/** Goes on with a lock that was taken by the program that this process ran before; undefined where `fd` is none. */
export function adoptFileLock(fd: number): FileLock | undefined {
  if (flock(fd, LOCK_EX | LOCK_NB) !== 0) return undefined;
  setInheritable(fd, false);
  return { fd, release: () => closeSync(fd) };
}

/** Takes the lock of a file, which is made if it is not there; undefined when another process holds it. */
export function acquireFileLock(path: string): FileLock | undefined {
  // Node opens every file close-on-exec.
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return { fd, release: () => closeSync(fd) };
  const why = errno();
  closeSync(fd);
  if (why === EWOULDBLOCK) return undefined;
  throw toPosixError('flock', why);
}
