import { statfsSync } from 'node:fs';
import { mountEmptyDirectory } from '../../posix/mount-namespace.ts';
import type { StateLayout } from './state-layout.ts';

const OVERLAYFS_MAGIC = 0x794c7630;

/**
 * The writable layer of an overlay cannot lie on another overlay, which is what the root of most containers is: then it is
 * kept in memory. For a mount namespace of our own; what was written goes with it, as the sandboxes do.
 */
export function moveLayersToMemory({ layers }: StateLayout): void {
  if (statfsSync(layers).type === OVERLAYFS_MAGIC) mountEmptyDirectory(layers, 'mode=700');
}
