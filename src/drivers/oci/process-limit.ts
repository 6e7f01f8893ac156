import { readFileSync } from 'node:fs';

/** As many processes as a sandbox may have at once. */
export const PROCESSES = 4096;

/**
 * What stands in for the limit of a cgroup where there is none: a resource limit, which the kernel counts for each user
 * of each user namespace, so of each sandbox (getrlimit(2)). Nobody can raise the own limit.
 */
export function toProcessLimit(): object {
  const limit = Math.min(PROCESSES, readOwnLimit());
  return { type: 'RLIMIT_NPROC', soft: limit, hard: limit };
}

function readOwnLimit(): number {
  const text = /^Max processes +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return text === undefined || text === 'unlimited' ? Infinity : Number(text);
}
