import { spawnSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { HOST_PATH } from './runtime.ts';

const UNIFIED = '/sys/fs/cgroup/unified';
const CGROUP2_MAGIC = 0x63677270;

/** An empty directory over it; merely unmounted, crun would leave directories in what lies below. */
const MOUNT = ['mount', '-t', 'tmpfs', '-o', 'mode=755,size=1m', 'tmpfs', UNIFIED];

/** cgroup v1 with a second hierarchy mounted beside it, which crun 1.8 refuses. */
function isHybrid(): boolean {
  try {
    return statfsSync(UNIFIED).type === CGROUP2_MAGIC;
  } catch {
    return false;
  }
}

/** Hides the second hierarchy in this process's mount namespace, which must be its own. */
export function hideUnified(log: (line: string) => void): void {
  if (!isHybrid()) return;
  const [program = '', ...args] = MOUNT;
  const { status, stderr } = spawnSync(program, args, { env: { PATH: HOST_PATH }, encoding: 'utf8' });
  if (status !== 0) log(`Cannot hide ${UNIFIED}: ${stderr}`);
}

/** Words before a command that hide the second hierarchy from this one command; none where there is none. */
export function hidingUnified(): string[] {
  if (!isHybrid()) return [];
  const script = `${MOUNT.join(' ')} && exec "$@"`;
  return ['unshare', '--mount', '--propagation', 'slave', '--', '/bin/sh', '-c', script, 'sh'];
}
