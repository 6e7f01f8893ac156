import { errno, fcntl, ioctlOutInt, O_CLOEXEC, pipe2 } from './libc.ts';
import { toPosixError } from './posix-error.ts';

const FIONREAD = 0x541b;
const F_SETPIPE_SZ = 1031;

/** The two descriptors of a pipe; whoever asked for it closes both. */
export interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/**
 * Makes a real pipe. Node's own `stdio: 'pipe'` is a socket pair, which a child cannot open again through
 * `/dev/stdin`. Close-on-exec, so that no other child started meanwhile holds an end of it.
 */
export function createPipe(): Pipe {
  const ends: [number, number] = [-1, -1];
  if (pipe2(ends, O_CLOEXEC) !== 0) throw toPosixError('pipe2', errno());
  return { readEnd: ends[0], writeEnd: ends[1] };
}

/** Bytes that can be read from a pipe at this instant. */
export function countPendingBytes(fd: number): number {
  const count: [number] = [0];
  if (ioctlOutInt(fd, FIONREAD, count) !== 0) throw toPosixError('ioctl', errno());
  return count[0];
}

/**
 * Lets a pipe hold more than its 64 KiB, so that bulk data wakes each side less often. The kernel may refuse, for a
 * user who has much in pipes already (pipe(7)): then it stays as it is.
 */
export function growPipe(fd: number, bytes: number): void {
  fcntl(fd, F_SETPIPE_SZ, 'int', bytes);
}
