import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { SbxError } from '../protocol/errors.ts';

/**
 * Makes a directory that is private to this user, or checks that it is.
 * @throws SbxError `state_dir_unusable`
 */
export function preparePrivateDirectory(path: string, uid: number): void {
  if (isPrivateDirectory(path, uid)) return;
  try {
    makeWithParents(path);
  } catch (cause) {
    throw new SbxError('state_dir_unusable', `Cannot make ${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * False where there is nothing. What somebody else has put there is never used: neither a socket that it names nor a
 * link in it.
 * @throws SbxError `state_dir_unusable` for what is no directory, another's, or open to others
 */
export function isPrivateDirectory(path: string, uid: number): boolean {
  const stat = lstat(path);
  if (stat === undefined) return false;
  if (!stat.isDirectory()) throw new SbxError('state_dir_unusable', `${path} is not a directory`);
  if (stat.uid !== uid) {
    throw new SbxError('state_dir_unusable', `${path} belongs to uid ${stat.uid}, not to uid ${uid}`);
  }
  if ((stat.mode & 0o077) === 0) return true;
  const mode = (stat.mode & 0o777).toString(8);
  throw new SbxError('state_dir_unusable', `${path} is open to others (mode ${mode})`, {
    hint: `Close it with: chmod 700 ${path}`,
  });
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new SbxError('state_dir_unusable', `Cannot look at ${path}: ${message}`, { cause });
  }
}

/** Node's recursive mkdir never ends where the parent is there and takes no directories, as in /proc. */
function makeWithParents(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || lstat(dirname(path)) !== undefined) throw error;
    makeWithParents(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}
