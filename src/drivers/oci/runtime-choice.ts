import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { findDelegation } from './cgroups.ts';

/** What sandboxes are made with besides what every one has. */
export interface SandboxWay {
  /** A user namespace of their own. */
  readonly userNamespace: boolean;
  /** A cgroup of their own, where this process may make one. */
  readonly inCgroup: boolean;
}

/** How the runtime at `path` was found to work; undefined if that is not known of this program on this boot. */
export function recallChoice(file: string, path: string): SandboxWay | undefined {
  try {
    const choice = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const { stamp, userNamespace, inCgroup } = choice;
    if (stamp !== toStamp(path) || typeof userNamespace !== 'boolean') return undefined;
    return typeof inCgroup === 'boolean' ? { userNamespace, inCgroup } : undefined;
  } catch {
    return undefined;
  }
}

/** Notes it, so that the next daemon need not try again. */
export function rememberChoice(file: string, path: string, way: SandboxWay): void {
  writeFileSync(file, JSON.stringify({ stamp: toStamp(path), ...way }), { mode: 0o600 });
}

/** What is allowed may change with the program, with the kernel, and with what this process may do. */
function toStamp(path: string): string {
  const { mtimeMs, size, ino } = statSync(path);
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return [path, mtimeMs, size, ino, boot, findDelegation()].join(' ');
}
