import { lstatSync, mkdirSync } from 'node:fs';
import { SbxError } from '../protocol/errors.ts';

/**
 * Makes the state directory, private to this user, or checks that it is.
 * @throws SbxError `state_dir_unusable`
 */
export function prepareStateDir(path: string, uid: number): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new SbxError('state_dir_unusable', `Cannot make ${path}: ${(cause as Error).message}`, { cause });
  }
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw new SbxError('state_dir_unusable', `${path} is not a directory`);
  if (stat.uid !== uid) {
    throw new SbxError('state_dir_unusable', `${path} belongs to uid ${stat.uid}, not to uid ${uid}`);
  }
  if ((stat.mode & 0o077) !== 0) {
    throw new SbxError(
      'state_dir_unusable',
      `${path} is open to others (mode ${(stat.mode & 0o777).toString(8)})`,
      {
        hint: `Close it with: chmod 700 ${path}`,
      },
    );
  }
}
