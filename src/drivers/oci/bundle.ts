import { join } from 'node:path';
import type { SandboxSpec } from '../driver.ts';
import { hasId, toIdentityMappings, type IdMap } from './id-map.ts';
import { PROCESSES } from './process-limit.ts';
import { toProcessSettings } from './process-settings.ts';
import type { Layered } from './root-tree.ts';
import { ROOT } from './sandbox-user.ts';

/** What this machine offers for the inside of a sandbox. */
export interface HostParts {
  /** A static reaping init. */
  readonly init: string;
  /** The `sleep` that keeps it waiting; undefined where it works under its own name only. */
  readonly pause: string | undefined;
  /** False where this machine refuses user namespaces. */
  readonly userNamespace: boolean;
  readonly ids: IdMap;
  /** Where sandboxes get a cgroup each; undefined where they can have none. */
  readonly cgroupParent: string | undefined;
  /** Resource limits of every process, in the form of the OCI specification. */
  readonly limits: readonly object[];
}

const INIT = '/dev/init';
const PAUSE = '/dev/pause';

/** As docker's: what tells of, or reaches, the whole machine. */
const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
];
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const QUIET = ['nosuid', 'noexec', 'nodev'];
const TTY_GROUP = 5;
const KERNEL_MOUNTS = [
  { destination: '/proc', type: 'proc', source: 'proc', options: QUIET },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=64m'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', `gid=${TTY_GROUP}`],
  },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'nodev', 'mode=1777', 'size=64m'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: QUIET },
];

/** The cgroup of a sandbox, of one level: nothing of it is left when the runtime has deleted it. */
export function toCgroupName(id: string): string {
  return `sbx-${id}`;
}

/** The `config.json` of a sandbox's bundle. */
export function toBundle(spec: SandboxSpec, layers: readonly Layered[], host: HostParts): object {
  return {
    ociVersion: '1.0.2',
    hostname: spec.name,
    root: { path: 'rootfs', readonly: false },
    process: toProcessSettings({
      // `pkill sleep` inside must not end the sandbox: the name is ours.
      argv: [INIT, '-s', '--', host.pause ? PAUSE : 'sleep', 'infinity'],
      env: new Map(),
      cwd: '/',
      user: ROOT,
      hostname: spec.name,
      limits: host.limits,
    }),
    mounts: [
      ...layers.map(toOverlay),
      ...toKernelMounts(host.ids),
      bind(host.init, INIT),
      ...(host.pause ? [bind(host.pause, PAUSE)] : []),
    ],
    linux: {
      namespaces: toNamespaces(spec, host),
      ...(host.userNamespace && toIdentityMappings(host.ids)),
      ...(host.cgroupParent !== undefined && {
        cgroupsPath: join(host.cgroupParent, toCgroupName(spec.id)),
        resources: { pids: { limit: PROCESSES }, devices: [{ allow: false, access: 'rwm' }] },
      }),
      maskedPaths: MASKED,
      readonlyPaths: READ_ONLY,
    },
  };
}

/** Terminals belong to a group of their own, where there can be one. */
function toKernelMounts({ groups }: IdMap): object[] {
  if (hasId(groups, TTY_GROUP)) return KERNEL_MOUNTS;
  return KERNEL_MOUNTS.map((mount) => ({
    ...mount,
    options: mount.options.filter((option) => option !== `gid=${TTY_GROUP}`),
  }));
}

function toNamespaces(spec: SandboxSpec, host: HostParts): object[] {
  const types = ['pid', 'ipc', 'uts', 'mount', 'cgroup'];
  if (host.userNamespace) types.push('user');
  if (spec.network === 'none') types.push('network');
  return types.map((type) => ({ type }));
}

function toOverlay({ destination, lower, upper, work }: Layered): object {
  return {
    destination,
    type: 'overlay',
    source: 'overlay',
    // trusted.* attributes are out of reach in a user namespace.
    options: [`lowerdir=${lower.join(':')}`, `upperdir=${upper}`, `workdir=${work}`, 'userxattr'],
  };
}

function bind(source: string, destination: string): object {
  return { destination, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev'] };
}
