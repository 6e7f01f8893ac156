import { createHash } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
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

/** Nobody finds the socket there any more; whoever has connected stays. */
export function hideSocket(path: string): void {
  if (existsSync(path)) renameSync(path, toHiddenPath(path));
}

/** Undoes {@link hideSocket}: it is the same socket as before. */
export function showSocket(path: string): void {
  if (existsSync(toHiddenPath(path))) renameSync(toHiddenPath(path), path);
}

/** Removes it wherever it is. */
export function removeSocket(path: string): void {
  for (const place of [path, toHiddenPath(path)]) rmSync(place, { force: true });
}

/** No longer than the path itself, which may be as long as one can be. */
function toHiddenPath(path: string): string {
  return path.replace(/\.sock$/, '.gone');
}
