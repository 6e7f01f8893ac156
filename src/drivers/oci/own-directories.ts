import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, readdirSync, statSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { prepareBaseLayer } from './base-layer.ts';

/** Below a shared directory. Each directory costs a fifth of a millisecond when the layer is made. */
const DEPTH = 2;
/** Where things are installed: deep enough for `/usr/lib/python3/dist-packages`, and below `/usr/local`. */
const DEEPER = [
  ['/usr/lib', 2],
  ['/usr/share/man', 1],
  ['/usr/local', 6],
] as const;

/**
 * In the user namespace of a plain user the files of this machine belong to nobody, and nothing can be made or deleted
 * in a directory of nobody's. So a layer of empty directories with the same names, which are root's, lies over the
 * shared ones: the kernel shows both as one, with the upper one's owner. Installing into `/usr` then works, and replacing
 * and deleting its files, but not changing the mode or owner of those that are there, or a part of their content.
 *
 * Gives its path under `base`; undefined where this machine's files are root's as it is.
 */
export function prepareOwnDirectories(
  base: string,
  shared: readonly string[],
  isInUse: boolean,
): string | undefined {
  if (statSync('/usr').uid === 0) return undefined;
  const wanted = [...shared.map((path) => [path, DEPTH] as const), ...DEEPER];
  const paths = [...new Set(wanted.flatMap(([path, depth]) => listDirectories(path, depth)))];
  const fill = (directory: string): void => {
    mkdirSync(directory);
    for (const path of paths) mkdirSync(join(directory, path), { recursive: true });
  };
  return prepareBaseLayer(base, { name: 'directories', key: toKey(paths), fill }, isInUse);
}

/** A directory that has become a link or has gone since would be wrong: each is looked at, which takes some 10 ms. */
function toKey(paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0${statSync(path).mtimeMs}\n`);
  return hash.digest('hex').slice(0, 16);
}

function listDirectories(path: string, depth: number): string[] {
  // One that cannot be read cannot be merged with another either.
  if (!isReadable(path)) return [];
  if (depth === 0) return [path];
  const names = readdirSync(path, { withFileTypes: true })
    .filter((entry: Dirent) => entry.isDirectory())
    .map(({ name }) => name);
  return [path, ...names.flatMap((name) => listDirectories(join(path, name), depth - 1))];
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
