import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { execve, fcntl } from '../../posix/libc.ts';
import { readProcessStat } from '../../posix/process-stat.ts';
import { findProgram } from './host-parts.ts';
import { hideUnified } from './hybrid-cgroups.ts';
import { HOST_PATH } from './runtime.ts';
import { toStateLayout, type StateLayout } from './state-layout.ts';

/** How a daemon that was started again in the holder's namespace knows it: the namespace that it left. */
const LEFT_NAMESPACE = 'SBX_LEFT_MOUNT_NAMESPACE';

const F_SETFD = 2;

export interface HolderOptions {
  readonly stateDir: string;
  /** The program and arguments that make this process again: `[process.execPath, ...process.execArgv, script, ...]`. */
  readonly command: readonly string[];
  /** The environment of this process; a variable of our own is taken out of it. */
  readonly env: NodeJS.ProcessEnv;
  /** Descriptors that stay open, besides 0 to 2. */
  readonly inheritFds?: readonly number[];
  readonly log: (line: string) => void;
}

/**
 * Moves this process into the mount namespace that all daemons of one state directory share, by executing `command`
 * in its place: the same process number, the same descriptors. Returns in the new program, where it is called again,
 * and where this machine allows no namespace of our own. The state directory must be there.
 *
 * The namespace belongs to a *holder*, a process that only sleeps: it outlives the daemon as the sandboxes do. What is
 * mounted for them is not in this machine's own table, and a cgroup layout that crun refuses is out of its sight.
 */
export function enterHolderNamespace(options: HolderOptions): void {
  if (process.getuid?.() !== 0) return;
  const left = options.env[LEFT_NAMESPACE];
  delete options.env[LEFT_NAMESPACE];
  const layout = toStateLayout(options.stateDir);
  if (left !== undefined && left !== readMountNamespace()) return settle(layout, options.log);
  const entry = findEntry(layout);
  if (entry === undefined) return options.log('No mount namespace of our own is possible here: going on without');
  replaceProcess([...entry, '--', ...options.command], options);
}

/** Ends the holder, when there is nothing left that needs it. */
export function endHolder(layout: StateLayout): void {
  const pid = findHolder(layout);
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  rmSync(layout.holderRecord, { force: true });
}

/** The command that leads into the namespace: of the holder that lives, else of a new one. */
function findEntry(layout: StateLayout): string[] | undefined {
  const holder = findHolder(layout);
  const candidates = [
    ...(holder === undefined ? [] : [['nsenter', `--mount=/proc/${holder}/ns/mnt`]]),
    ['unshare', '--mount', '--propagation', 'slave'],
  ];
  return candidates.find(isPossible);
}

function isPossible([program = '', ...args]: string[]): boolean {
  return spawnSync(program, [...args, '--', 'true'], { env: { PATH: HOST_PATH } }).status === 0;
}

/** What is done once inside, by the first daemon or again by a later one. */
function settle(layout: StateLayout, log: (line: string) => void): void {
  hideUnified(log);
  if (findHolder(layout) === undefined) startHolder(layout);
}

function startHolder(layout: StateLayout): void {
  const holder = spawn('sleep', ['infinity'], {
    stdio: 'ignore',
    cwd: '/',
    // For people: the environment says what the process is for.
    env: { PATH: HOST_PATH, SBX_HOLDER_OF: layout.stateDir },
    detached: true,
  });
  holder.on('error', () => undefined);
  holder.unref();
  if (holder.pid === undefined) throw new Error('Cannot start sleep, which holds the mount namespace of the sandboxes');
  const startTime = readProcessStat(holder.pid)?.startTime;
  try {
    writeFileSync(layout.holderRecord, JSON.stringify({ pid: holder.pid, startTime }), { mode: 0o600 });
  } catch (error) {
    holder.kill('SIGKILL');
    throw error;
  }
}

/** The recorded holder, if it is still that process: a number alone may have gone to another. */
function findHolder(layout: StateLayout): number | undefined {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(layout.holderRecord, 'utf8')) as { pid: number; startTime: string };
    const stat = readProcessStat(pid);
    return stat?.startTime === startTime && stat?.state !== 'Z' ? pid : undefined;
  } catch {
    return undefined;
  }
}

function readMountNamespace(): string {
  return readlinkSync('/proc/self/ns/mnt');
}

function replaceProcess(argv: readonly string[], options: HolderOptions): never {
  const program = findProgram(argv[0] ?? '') ?? '';
  const env = { ...options.env, [LEFT_NAMESPACE]: readMountNamespace() };
  // Node marks even its stdio close-on-exec.
  for (const fd of [0, 1, 2, ...(options.inheritFds ?? [])]) fcntl(fd, F_SETFD, 'int', 0);
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value ?? ''}`);
  execve(program, [...argv, null], [...variables, null]);
  throw new Error(`Cannot execute ${program} in place of this process`);
}
