import { lstatSync, statfsSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import type { StateDirFacts } from './facts.ts';

const OVERLAYFS_MAGIC = 0x794c7630;
/** Less room than this, in bytes, fills up with the first package that is installed in a sandbox. */
const LITTLE = 64 * 1024 * 1024;

/** Looks at the state directory without making it. */
export function findStateDirFacts(path: string, uid: number): StateDirFacts {
  const stat = tryLstat(path);
  const { type, bavail, bsize } = statfsSync(findExisting(path));
  const freeBytes = bavail * bsize;
  const facts = (problem?: string, advice?: string): StateDirFacts => ({
    path,
    problem,
    advice,
    exists: stat !== undefined,
    isOnOverlay: type === OVERLAYFS_MAGIC,
    freeBytes,
  });
  const elsewhere = 'export SBX_STATE_DIR=/a/directory/on/another/file/system';
  if (stat !== undefined && !stat.isDirectory()) return facts('is not a directory', `mv ${path} ${path}.old`);
  if (stat !== undefined && stat.uid !== uid)
    return facts(`belongs to uid ${stat.uid}, not to uid ${uid}`, elsewhere);
  if (stat !== undefined && (stat.mode & 0o077) !== 0) return facts('is open to others', `chmod 700 ${path}`);
  if (freeBytes < LITTLE) return facts('has hardly any room left', elsewhere);
  return facts();
}

/** The directory, or the nearest one above it that is there. */
function findExisting(path: string): string {
  return tryLstat(path) === undefined && path !== dirname(path) ? findExisting(dirname(path)) : path;
}

/** Undefined also below what is no directory. */
function tryLstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
