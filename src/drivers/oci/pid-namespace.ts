import { readlinkSync } from 'node:fs';

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
