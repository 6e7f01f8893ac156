import { readFileSync, writeFile } from 'node:fs';
import { join } from 'node:path';

const MOUNT = '/sys/fs/cgroup';

/**
 * Begins early what the runtime would wait for. Who enters a cgroup takes a lock of the kernel's that every fork of the
 * machine reads, and waits until all readers have noticed (a grace period of RCU, 8 to 16 ms), but not where another has
 * just done so (cgroup_threadgroup_rwsem, rcu_sync in the kernel). Moving ourselves to where we are has no other effect.
 *
 * Gives a function to call when an exec is asked for: the wait then passes while the runtime is still starting.
 */
export function createCgroupEntry(): () => void {
  const path = findOwnCgroup();
  let isUnderWay = false;
  return () => {
    if (path === undefined || isUnderWay) return;
    isUnderWay = true;
    // Where it is refused, the runtime waits as it would have.
    writeFile(join(path, 'cgroup.procs'), String(process.pid), { flag: 'w' }, () => {
      isUnderWay = false;
    });
  };
}

/** In the hierarchy that counts processes, which is there wherever sandboxes are limited. */
function findOwnCgroup(): string | undefined {
  try {
    const lines = readFileSync('/proc/self/cgroup', 'utf8');
    const pids = /^\d+:(?:[^:]*,)?pids(?:,[^:]*)?:(.*)$/m.exec(lines)?.[1];
    if (pids !== undefined) return join(MOUNT, 'pids', pids);
    const unified = /^0::(.*)$/m.exec(lines)?.[1];
    return unified === undefined ? undefined : join(MOUNT, unified);
  } catch {
    return undefined;
  }
}
