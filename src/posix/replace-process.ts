import { setInheritable } from './inheritable.ts';
import { errno, execve } from './libc.ts';
import { toPosixError } from './posix-error.ts';

export interface Replacement {
  /** An absolute path. */
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Descriptors that the new program gets besides the first three. */
  readonly descriptors: readonly number[];
}

/**
 * Runs another program in the place of this one, in the same process (execve(2)): its number, its parent and its session
 * stay, its threads end. Returns only by throwing.
 */
export function replaceProcess({ file, args, env, descriptors }: Replacement): never {
  // Node makes all of them close-on-exec, the first three too.
  for (const fd of [0, 1, 2, ...descriptors]) setInheritable(fd, true);
  const settings = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  execve(file, [file, ...args, null], [...settings, null]);
  throw toPosixError('execve', errno());
}
