import koffi from 'koffi';

/** The few calls of libc that Node has no name for. Each returns what the call returns; `errno()` tells why. */
const libc = koffi.load(null);

export const O_CLOEXEC = 0o2000000;
export const WNOHANG = 1;
export const EINTR = koffi.os.errno['EINTR'] ?? 4;
export const ECHILD = koffi.os.errno['ECHILD'] ?? 10;
export const EWOULDBLOCK = koffi.os.errno['EWOULDBLOCK'] ?? 11;

export const errno = (): number => koffi.errno();

export const pipe2 = libc.func('int pipe2(_Out_ int *fds, int flags)') as (
  fds: [number, number],
  flags: number,
) => number;
export const waitpid = libc.func('int waitpid(int pid, _Out_ int *status, int options)') as (
  pid: number,
  status: [number],
  options: number,
) => number;
export const flock = libc.func('int flock(int fd, int operation)') as (
  fd: number,
  operation: number,
) => number;
export const prctl = libc.func(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
) as (option: number, a: number, b: number, c: number, d: number) => number;
export const fcntl = libc.func('int fcntl(int fd, int command, ...)') as (
  fd: number,
  command: number,
  type: 'int',
  value: number,
) => number;
export const ioctlOutInt = libc.func('int ioctl(int fd, unsigned long request, _Out_ int *value)') as (
  fd: number,
  request: number,
  value: [number],
) => number;
export const unshare = libc.func('int unshare(int flags)') as (flags: number) => number;
export const setns = libc.func('int setns(int fd, int type)') as (fd: number, type: number) => number;
export const mount = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
) as (source: string, target: string, type: string | null, flags: number, data: string | null) => number;

const poll = libc.func('int poll(void *fds, unsigned long count, int timeout)');

/** poll(2) in a thread of its own; `fds` is read and written there until the call back. */
export function pollAsync(
  fds: Buffer,
  count: number,
  timeoutMs: number,
  done: (ready: number) => void,
): void {
  poll.async(fds, count, timeoutMs, (error: Error | null, ready: number) => {
    if (error) throw error;
    done(ready);
  });
}
