import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { preparePrivateDirectory } from '../state/private-directory.ts';

/** sun_path of unix(7) holds 108 bytes with its NUL. */
const LONGEST = 107;

/** Where the daemon listens: in its state directory, or, where that path is too long, alone in a private one. */
export function prepareSocketPath(stateDir: string, { owner, uid }: { owner: number; uid: number }): string {
  const path = join(stateDir, 'sbx.sock');
  if (Buffer.byteLength(path) <= LONGEST) return path;
  const directory = `/tmp/sbx-${owner}`;
  preparePrivateDirectory(directory, uid);
  return join(directory, `${createHash('sha256').update(stateDir).digest('hex').slice(0, 16)}.sock`);
}
