import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { mountEmptyDirectory } from '../../posix/mount-namespace.ts';

const UNIFIED = '/sys/fs/cgroup/unified';
const CGROUP2_MAGIC = 0x63677270;

/**
 * Hides the second hierarchy that some machines mount beside cgroup v1, which crun 1.8 refuses; for a mount namespace
 * of our own. Hidden and not unmounted: crun would leave directories in what lies below.
 */
export function hideUnified(): void {
  if (isHybrid()) mountEmptyDirectory(UNIFIED, 'mode=755,size=1m');
}

/** crun makes its cgroup also where the second hierarchy was, in plain files, and leaves them. */
export function removeHiddenCgroup(name: string): void {
  const path = join(UNIFIED, name);
  if (!isHybrid()) rmSync(path, { recursive: true, force: true });
}

function isHybrid(): boolean {
  try {
    return statfsSync(UNIFIED).type === CGROUP2_MAGIC;
  } catch {
    return false;
  }
}
