import { readFileSync } from 'node:fs';
import { chown, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Who runs `sbx` in a test. The test itself runs as root, and sees what that user left. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

const ROOT: Caller = { uid: 0, gid: 0, home: '/root' };

/** Root, or the plain user of the project `rootless`. */
export const CALLER: Caller = findCaller(process.env['SBX_TEST_USER']);

/** A directory of the caller's, for the files of a test. */
export async function makeDirectory(prefix: string, { uid, gid } = CALLER): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  await chown(path, uid, gid);
  return path;
}

/** What spawns a process as the caller. */
export function toSpawnOptions({ uid, gid } = CALLER): { uid?: number; gid?: number } {
  return uid === 0 ? {} : { uid, gid };
}

export function findCaller(name: string | undefined): Caller {
  if (name === undefined) return ROOT;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`There is no user ${name}`);
  const [, , uid, gid, , home = '/'] = line.split(':');
  return { uid: Number(uid), gid: Number(gid), home };
}
