import { realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isExecutable } from '../../posix/executable.ts';
import { HOST_PATH } from './runtime.ts';
import { isStaticBinary } from './static-binary.ts';

const INITS = ['tini-static', 'tini', 'docker-init'];

/** The absolute path of a program, in the order of PATH. */
export function findProgram(name: string): string | undefined {
  if (name.includes('/')) return isExecutable(name) ? name : undefined;
  return HOST_PATH.split(':')
    .map((dir) => join(dir, name))
    .find(isExecutable);
}

/** A static init: it must run in a root that has no loader, too. */
export function findInit(): string | undefined {
  return INITS.map(findProgram).find((path) => path !== undefined && isStaticBinary(path));
}

/** The program that waits as the one child of the init, if it is one that works under another name. */
export function findPause(): string | undefined {
  const path = findProgram('sleep');
  if (path === undefined) return undefined;
  const real = realpathSync(path);
  return basename(real) === 'sleep' ? real : undefined;
}
