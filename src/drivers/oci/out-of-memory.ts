import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Times that the kernel has killed in the cgroup of a sandbox for lack of memory; 0 where none tells. */
export function countMemoryKills(cgroup: string | undefined): number {
  if (cgroup === undefined) return 0;
  const text =
    tryRead(join('/sys/fs/cgroup/memory', cgroup, 'memory.oom_control')) ??
    tryRead(join('/sys/fs/cgroup', cgroup, 'memory.events'));
  return Number(/^oom_kill (\d+)$/m.exec(text ?? '')?.[1] ?? 0);
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
