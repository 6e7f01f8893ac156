import type { SandboxUser } from './sandbox-user.ts';

/** What even root of a sandbox is limited to: enough for package managers and daemons, nothing that reaches out of it. */
const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

const GUEST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface ProcessOptions {
  readonly argv: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly user: SandboxUser;
  readonly hostname: string;
  /** Of resources; none leaves those of the daemon. */
  readonly limits: readonly object[];
}

/**
 * The `process` object of the OCI runtime specification. Every exec gets a whole one: it inherits nothing of the
 * bundle's, not even `noNewPrivileges`.
 */
export function toProcessSettings(options: ProcessOptions): object {
  const { argv, cwd, user, limits } = options;
  return {
    terminal: false,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    args: argv,
    env: toEnvironment(options),
    cwd,
    capabilities: toCapabilities(user.uid === 0),
    noNewPrivileges: true,
    ...(limits.length > 0 && { rlimits: limits }),
  };
}

function toEnvironment({ env, user, hostname }: ProcessOptions): string[] {
  const all = new Map([
    ['PATH', GUEST_PATH],
    ['HOME', user.home],
    ['USER', user.name],
    ['LOGNAME', user.name],
    ['SHELL', user.shell],
    ['HOSTNAME', hostname],
    ['LANG', 'C.UTF-8'],
    ...env,
  ]);
  return [...all].map(([name, value]) => `${name}=${value}`);
}

function toCapabilities(isRoot: boolean): object {
  const own = isRoot ? CAPABILITIES : [];
  return { bounding: CAPABILITIES, effective: own, permitted: own, inheritable: [], ambient: [] };
}
