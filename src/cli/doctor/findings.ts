import { adviseNamespaces, checkPlainUser } from './plain-user.ts';
import type { CgroupFacts, DaemonFacts, HostFacts, RuntimeFacts, StateDirFacts } from './facts.ts';

/** One line of what the doctor says. Only a `problem` keeps commands from running. */
export interface Finding {
  readonly level: 'ok' | 'note' | 'problem';
  readonly subject: string;
  readonly text: string;
  /** What to type, or where that is not known what to do. */
  readonly advice?: string | undefined;
}

export interface Diagnosis {
  readonly findings: readonly Finding[];
  /** The runtime that sandboxes would be made with; undefined where none works. */
  readonly runtime: string | undefined;
  readonly canRun: boolean;
}

const OLDEST_NODE = [20, 19] as const;
const SETUP = 'sbx setup';

/** Judges what was seen. Pure. */
export function diagnose(facts: HostFacts): Diagnosis {
  const working = facts.runtimes.find(({ works }) => works);
  const findings = [
    ...(facts.plainUser === undefined ? [] : checkPlainUser(facts.uid, facts.plainUser)),
    ...checkRuntimes(facts.runtimes, facts),
    checkPart('init', facts.init, 'no static init (tini) is installed'),
    checkPart('sleep', facts.sleep, 'sleep is not installed, or goes by another name'),
    ...checkUserNamespace(working),
    ...(facts.plainUser === undefined
      ? [checkCgroups(facts.cgroups)]
      : checkDelegation(facts.cgroups, working)),
    checkDaemon(facts.daemon, facts.ownVersion),
    checkStateDir(facts.stateDir),
    checkNode(facts.nodeVersion),
  ];
  const canRun = working !== undefined && findings.every(({ level }) => level !== 'problem');
  return { findings, runtime: working?.name, canRun };
}

function checkRuntimes(runtimes: readonly RuntimeFacts[], facts: HostFacts): Finding[] {
  const isEnough = runtimes.some(({ works }) => works);
  return runtimes.map(({ name, path, version, works, reason }) => {
    const title = [name, version, path && `(${path})`].filter(Boolean).join(' ');
    const subject = 'runtime';
    if (works) return { level: 'ok', subject, text: `${title} works` };
    const text = `${title}: ${reason ?? 'does not work'}`;
    if (isEnough) return { level: 'note', subject, text: `${text}; one runtime is enough` };
    return { level: 'problem', subject, text, advice: adviseRuntime(path, reason ?? '', facts) };
  });
}

/** From the runtime's own words to what can be done about them. */
function adviseRuntime(path: string | undefined, reason: string, facts: HostFacts): string | undefined {
  if (path === undefined) return SETUP;
  // The cause has a line of its own.
  const { init, stateDir, plainUser } = facts;
  if (init === undefined || stateDir.problem !== undefined || plainUser?.refusal !== undefined)
    return undefined;
  if (/overlay/i.test(reason)) return 'export SBX_STATE_DIR=/a/directory/on/ext4/or/xfs';
  if (/cgroup/i.test(reason)) return 'sbx setup   # another runtime may know this cgroup layout';
  if (/not permitted|permission denied|EPERM|EACCES/i.test(reason)) {
    const advice = plainUser && adviseNamespaces(plainUser);
    return advice ?? 'docker run --privileged   # where this is a container itself';
  }
  return SETUP;
}

function checkPart(subject: string, path: string | undefined, missing: string): Finding {
  if (path !== undefined) return { level: 'ok', subject, text: path };
  return { level: 'problem', subject, text: missing, advice: SETUP };
}

function checkUserNamespace(working: RuntimeFacts | undefined): Finding[] {
  const subject = 'user namespace';
  if (working === undefined) return [];
  if (working.userNamespace) return [{ level: 'ok', subject, text: 'sandboxes have one of their own' }];
  const text = 'this machine allows none: root inside is root outside, limited by capabilities only';
  return [{ level: 'note', subject, text, advice: 'sysctl user.max_user_namespaces (0 forbids them)' }];
}

/** systemd delegates to a user's own services only where it is told to. */
const DELEGATE = 'systemd-run --user --scope -p Delegate=yes sbx daemon restart';

/** A plain user has the cgroups that the system has delegated, which only version 2 can. */
function checkDelegation({ layout }: CgroupFacts, working: RuntimeFacts | undefined): Finding[] {
  const subject = 'cgroup limits';
  if (working === undefined) return [];
  if (working.inCgroup) return [{ level: 'ok', subject, text: 'processes, in a cgroup that is delegated' }];
  const name = layout === '2' ? 'none is delegated to this user' : 'only version 2 has any for a plain user';
  const text = `${name}: the number of processes is limited all the same, nothing else`;
  const advice =
    layout === '2' ? DELEGATE : 'systemd.unified_cgroup_hierarchy=1   # on the command line of the kernel';
  return [{ level: 'note', subject, text, advice }];
}

function checkCgroups({ layout, limits, isWritable }: CgroupFacts): Finding {
  const subject = 'cgroup limits';
  if (layout === 'none')
    return { level: 'note', subject, text: 'no cgroups are mounted: nothing is limited' };
  const name = layout === 'hybrid' ? 'version 1, with 2 beside it' : `version ${layout}`;
  if (!isWritable) return { level: 'note', subject, text: `not writable (${name}): nothing may be limited` };
  return {
    level: limits.length > 0 ? 'ok' : 'note',
    subject,
    text: `${limits.join(', ') || 'none'} (${name})`,
  };
}

function checkDaemon(daemon: DaemonFacts, ownVersion: string): Finding {
  const subject = 'daemon';
  if (daemon.state === 'absent')
    return { level: 'ok', subject, text: 'not running; it starts by itself at the first command' };
  if (daemon.state === 'silent') {
    const text = `pid ${daemon.pid} does not answer`;
    return { level: 'problem', subject, text, advice: `kill -KILL ${daemon.pid}` };
  }
  const text = `running: pid ${daemon.pid}, version ${daemon.version}, runtime ${daemon.runtime}`;
  if (daemon.version === ownVersion) return { level: 'ok', subject, text };
  return {
    level: 'note',
    subject,
    text: `${text}; this is sbx ${ownVersion}`,
    advice: 'sbx daemon restart --if-idle',
  };
}

function checkStateDir(facts: StateDirFacts): Finding {
  const { path, problem, advice, exists, isOnOverlay, freeBytes } = facts;
  const subject = 'state';
  if (problem !== undefined) return { level: 'problem', subject, text: `${path} ${problem}`, advice };
  if (isOnOverlay) {
    const text = `${path} lies on an overlay file system: what sandboxes write into /usr, /opt and /etc is kept in memory`;
    return {
      level: 'note',
      subject,
      text,
      advice: 'export SBX_STATE_DIR=/a/directory/on/another/file/system',
    };
  }
  const room = freeBytes === undefined ? '' : `, ${(freeBytes / 2 ** 30).toFixed(1)} GiB free`;
  return { level: 'ok', subject, text: `${path}${exists ? '' : ' (made at the first command)'}${room}` };
}

function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const isNewEnough = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (isNewEnough) return { level: 'ok', subject: 'Node', text: version };
  const text = `${version} is older than ${OLDEST_NODE.join('.')}`;
  return { level: 'problem', subject: 'Node', text, advice: 'npm install --global node@24' };
}
