import { closeSync, openSync, readlinkSync } from 'node:fs';
import { errno, mount, setns, umount2, unshare } from './libc.ts';
import { toPosixError } from './posix-error.ts';

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
const MS_REC = 0x4000;
const MS_SLAVE = 0x80000;
const MNT_DETACH = 2;

/**
 * Puts the main thread, and with it every process that it starts from now on, into a mount namespace of its own:
 * mounts of this machine still arrive, its own stay inside. Threads that run already stay where they are. Their files
 * are the same, but for what is mounted later; give them absolute paths, as the working directory is not shared either.
 */
export function createMountNamespace(): void {
  check('unshare', unshare(CLONE_NEWNS));
  check('mount', mount('none', '/', null, MS_REC | MS_SLAVE, null));
}

/** As `createMountNamespace`, with the namespace of another process. */
export function joinMountNamespace(pid: number): void {
  const cwd = process.cwd();
  const fd = openSync(`/proc/${pid}/ns/mnt`, 'r');
  try {
    // The kernel lets a thread in that shares its working directory with no other.
    check('unshare', unshare(CLONE_FS));
    check('setns', setns(fd, CLONE_NEWNS));
  } finally {
    closeSync(fd);
  }
  process.chdir(cwd);
}

/** Whether this thread is in the mount namespace of another process. */
export function isInMountNamespaceOf(pid: number): boolean {
  return readlinkSync('/proc/thread-self/ns/mnt') === readlinkSync(`/proc/${pid}/ns/mnt`);
}

/** Mounts an empty directory over a path, whose files are kept in memory; `options` are those of tmpfs(5). */
export function mountEmptyDirectory(path: string, options: string): void {
  check('mount', mount('tmpfs', path, 'tmpfs', 0, options));
}

/** Takes away what is mounted on a path; where nothing is, does nothing. */
export function unmount(path: string): void {
  umount2(path, MNT_DETACH);
}

function check(syscall: string, result: number): void {
  if (result !== 0) throw toPosixError(syscall, errno());
}
