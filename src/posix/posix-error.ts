import { getSystemErrorName } from 'node:util';

/** An error of a system call in the shape of Node's own: `code` is `EMFILE`, `syscall` is `pipe2`. */
export function toPosixError(syscall: string, errno: number): NodeJS.ErrnoException {
  const name = getSystemErrorName(-errno);
  // libuv, whose names these are, has none for what it never meets.
  const code = name.startsWith('Unknown') ? `errno ${errno}` : name;
  return Object.assign(new Error(`${syscall}: ${code}`), { code, syscall, errno: -errno });
}
