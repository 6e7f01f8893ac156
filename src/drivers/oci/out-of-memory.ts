import { readFileSync } from 'node:fs';
import { toCgroupName } from './bundle.ts';

/** Times that the kernel has killed in a sandbox for lack of memory; 0 where no cgroup tells. */
export function countMemoryKills(sandboxId: string): number {
  const name = toCgroupName(sandboxId);
  const text =
    tryRead(`/sys/fs/cgroup/memory/${name}/memory.oom_control`) ??
    tryRead(`/sys/fs/cgroup/${name}/memory.events`);
  return Number(/^oom_kill (\d+)$/m.exec(text ?? '')?.[1] ?? 0);
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
