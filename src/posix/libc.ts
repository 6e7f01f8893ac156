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
export const execve = libc.func('int execve(const char *path, const char **argv, const char **envp)') as (
  path: string,
  argv: readonly (string | null)[],
  envp: readonly (string | null)[],
) => number;
export const unshare = libc.func('int unshare(int flags)') as (flags: number) => number;
export const setns = libc.func('int setns(int fd, int type)') as (fd: number, type: number) => number;
export const mount = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
) as (source: string, target: string, type: string | null, flags: number, data: string | null) => number;

export const umount2 = libc.func('int umount2(const char *target, int flags)') as (
  target: string,
  flags: number,
) => number;

/** posix_spawn(3) and what goes with it: each gives 0 or the number of an error. */
export const posixSpawnFileActionsInit = libc.func('int posix_spawn_file_actions_init(void *actions)') as (
  actions: Buffer,
) => number;
export const posixSpawnFileActionsDestroy = libc.func(
  'int posix_spawn_file_actions_destroy(void *actions)',
) as (actions: Buffer) => number;
export const posixSpawnFileActionsAdddup2 = libc.func(
  'int posix_spawn_file_actions_adddup2(void *actions, int fd, int target)',
) as (actions: Buffer, fd: number, target: number) => number;
export const posixSpawnFileActionsAddchdir = libc.func(
  'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
) as (actions: Buffer, path: string) => number;
export const posixSpawnattrInit = libc.func('int posix_spawnattr_init(void *attributes)') as (
  attributes: Buffer,
) => number;
export const posixSpawnattrSetflags = libc.func(
  'int posix_spawnattr_setflags(void *attributes, short flags)',
) as (attributes: Buffer, flags: number) => number;
export const posixSpawnattrSetsigmask = libc.func(
  'int posix_spawnattr_setsigmask(void *attributes, void *signals)',
) as (attributes: Buffer, signals: Buffer) => number;
export const posixSpawnattrSetsigdefault = libc.func(
  'int posix_spawnattr_setsigdefault(void *attributes, void *signals)',
) as (attributes: Buffer, signals: Buffer) => number;
const spawn = libc.func(
  'int posix_spawn(_Out_ int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)',
);
export interface PosixSpawn {
  readonly actions: Buffer;
  readonly attributes: Buffer;
  /** Both end with null. */
  readonly argv: readonly (string | null)[];
  readonly envp: readonly (string | null)[];
}
export const posixSpawn = (pid: [number], path: string, call: PosixSpawn): number =>
  spawn(pid, path, call.actions, call.attributes, call.argv, call.envp) as number;

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
