import { accessSync, constants, existsSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const MOUNT = '/sys/fs/cgroup';
/** That of version 2, and those of version 1 that matter. */
const HIERARCHIES = ['', 'pids', 'memory', 'devices'];

/**
 * The cgroup under which sandboxes get one of their own; undefined where this process may make none, so that nothing can
 * be limited. A plain user has one where the system has delegated it (systemd: `Delegate=yes`).
 */
export function findCgroupParent(): string | undefined {
  if (HIERARCHIES.some((name) => isWritable(join(MOUNT, name)))) return '/';
  const own = findOwnCgroup();
  return own !== undefined && isWritable(join(MOUNT, own)) ? own : undefined;
}

/** Whether sandboxes can have cgroups of this machine's own, of one that was delegated to this user, or none. */
export function findDelegation(): 'whole' | 'delegated' | 'none' {
  const parent = findCgroupParent();
  if (parent === undefined) return 'none';
  return parent === '/' ? 'whole' : 'delegated';
}

/** Removes what a runtime that failed has left of a sandbox's own cgroup of version 2; one in use stays. */
export function removeLeftCgroup(path: string): void {
  try {
    rmdirSync(join(MOUNT, path));
  } catch {
    // It is not there, as it should be.
  }
}

/** Of version 2, where that is the only one. */
function findOwnCgroup(): string | undefined {
  if (!existsSync(join(MOUNT, 'cgroup.controllers'))) return undefined;
  return /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
}

function isWritable(path: string): boolean {
  try {
    accessSync(join(path, 'cgroup.procs'), constants.W_OK);
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
