import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

/** An error of a system call in the shape of Node's own: `code` is `EMFILE`, `syscall` is `pipe2`. */
export function toPosixError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = toName(errno);
  return Object.assign(new Error(`${syscall}: ${code}`), { code, syscall, errno: -errno });
}

/** libuv has no name for what it never meets. */
function toName(errno: number): string {
  const name = getSystemErrorName(-errno);
  if (!name.startsWith('Unknown')) return name;
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
