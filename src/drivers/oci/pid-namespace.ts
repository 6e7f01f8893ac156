import { readdirSync, readlinkSync } from 'node:fs';
import { readProcessStat } from '../../posix/process-stat.ts';

/** What names the pid namespace of a process; undefined when it has gone. */
export function readPidNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

export function isInPidNamespace(pid: number, namespace: string): boolean {
  return readPidNamespace(pid) === namespace;
}

/** The processes of a namespace, but those that have ended and wait to be reaped. */
export function listRunning(namespace: string): number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter(
    (pid) => isInPidNamespace(pid, namespace) && (readProcessStat(pid)?.state ?? 'Z') !== 'Z',
  );
}
