import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { SbxError } from '../../protocol/errors.ts';
import { findProgram } from './host-parts.ts';
import { HOST_PATH } from './runtime.ts';
import { findSubordinateIds, type SubordinateRange } from './subordinate-ids.ts';

/** A plain user's uid and gid. */
export interface PlainUser {
  readonly uid: number;
  readonly gid: number;
}

interface Options {
  readonly user: PlainUser;
  /** For people: says what the process is for. */
  readonly env: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

/** In which all of these processes are root; as it was, but for what is mounted in it from now on. */
const SLEEP = 'echo; exec sleep infinity >/dev/null';

/**
 * Starts a process that only sleeps, in a user and a mount namespace of its own, in which the plain user is root and has
 * the other ids that this machine grants. It is the caller's to end.
 * @throws SbxError `runtime_unavailable` with the words of the kernel
 */
export async function startNamespaces(options: Options): Promise<ChildProcess> {
  const granted = findGrantedIds(options.user.uid);
  if (granted !== undefined) {
    try {
      return await startMapped(options, (pid) => mapGrantedIds(pid, options.user, granted));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      options.log(`Cannot use the subordinate ids of uid ${options.user.uid}: ${why}`);
    }
  }
  return startMapped(options, (pid) => mapOwnId(pid, options.user));
}

/** The words that run a program in the namespaces of a process, as a program of the same process. */
export function toEnterCommand(pid: number, program: readonly string[]): [string, ...string[]] {
  const nsenter = requireProgram('nsenter');
  return [nsenter, '--user', '--mount', '--preserve-credentials', '--target', String(pid), '--', ...program];
}

interface GrantedIds {
  readonly mappers: readonly [users: string, groups: string];
  readonly users: readonly SubordinateRange[];
  readonly groups: readonly SubordinateRange[];
}

function findGrantedIds(uid: number): GrantedIds | undefined {
  const { users, groups } = findSubordinateIds(uid);
  const mappers = [findProgram('newuidmap'), findProgram('newgidmap')] as const;
  if (users.length === 0 || groups.length === 0) return undefined;
  return mappers[0] && mappers[1] ? { users, groups, mappers: [mappers[0], mappers[1]] } : undefined;
}

async function startMapped(
  { env }: Options,
  map: (pid: number) => void | Promise<void>,
): Promise<ChildProcess> {
  const args = ['--user', '--mount', '--propagation', 'slave', '--', 'sh', '-c', SLEEP];
  const child = spawn(requireProgram('unshare'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
    env: { PATH: HOST_PATH, ...env },
    detached: true,
  });
  try {
    await waitForSleep(child);
    await map(child.pid as number);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  child.unref();
  return child;
}

/** Its first line comes from inside the namespaces. */
async function waitForSleep(child: ChildProcess): Promise<void> {
  const words: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => words.push(chunk));
  const line = once(child.stdout as NodeJS.ReadableStream, 'data').then(() => true);
  const isInside = await Promise.race([line, once(child, 'close').then(() => false)]);
  child.stdout?.destroy();
  if (isInside) return void child.stderr?.destroy();
  const reason = Buffer.concat(words).toString().trim() || 'no reason given';
  throw toRefusal(reason);
}

async function mapGrantedIds(pid: number, user: PlainUser, granted: GrantedIds): Promise<void> {
  const [newuidmap, newgidmap] = granted.mappers;
  await promisify(execFile)(newuidmap, [String(pid), ...toMap(user.uid, granted.users)]);
  await promisify(execFile)(newgidmap, [String(pid), ...toMap(user.gid, granted.groups)]);
}

/** Triples of inside, outside and count: the own id is root, the others follow. */
function toMap(own: number, ranges: readonly SubordinateRange[]): string[] {
  const words = [0, own, 1];
  let next = 1;
  for (const { start, count } of ranges) {
    words.push(next, start, count);
    next += count;
  }
  return words.map(String);
}

/** What the kernel lets everybody do, once it is certain that no group can be dropped (user_namespaces(7)). */
function mapOwnId(pid: number, { uid, gid }: PlainUser): void {
  try {
    writeFileSync(`/proc/${pid}/setgroups`, 'deny');
    writeFileSync(`/proc/${pid}/uid_map`, `0 ${uid} 1`);
    writeFileSync(`/proc/${pid}/gid_map`, `0 ${gid} 1`);
  } catch (error) {
    throw toRefusal((error as Error).message);
  }
}

function requireProgram(name: string): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  throw new SbxError('runtime_unavailable', `Cannot make a user namespace: ${name} is not installed`, {
    hint: 'Install the package util-linux; see: sbx doctor',
  });
}

function toRefusal(words: string): SbxError {
  return new SbxError(
    'runtime_unavailable',
    `Cannot make a user namespace, without which a plain user can have no sandboxes: ${words}`,
    { hint: 'See what forbids it, and what to type, with: sbx doctor' },
  );
}
