import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, lstatSync, mkdirSync, openSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROTOCOL } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { readProcessStat } from '../posix/process-stat.ts';
import { requestStop } from './api.ts';
import { createLocalTransport } from './local-transport.ts';
import type { Connection, Transport } from './transport.ts';

/** What a running daemon says of itself in `daemon.json`. */
export interface DaemonFile {
  readonly schema: 1;
  readonly instance: string;
  readonly pid: number;
  /** Of the process, in clock ticks since boot: with the pid it names one process for good. */
  readonly start_time: string;
  readonly protocol: number;
  readonly version: string;
  readonly socket: string;
  /** What new sandboxes are made with. */
  readonly runtime: string;
  readonly runtime_path: string;
}

export interface DaemonOptions {
  readonly stateDir: string;
  /** Our own version: an idle daemon of another is replaced. */
  readonly version: string;
  /** The program that runs the daemon: `sbx serve`. */
  readonly program: readonly [string, ...string[]];
  /** Which runtime a new daemon is to use; undefined leaves the choice to it. */
  readonly runtime: string | undefined;
}

/** Cold starts on slow machines take seconds; nothing takes this long, in milliseconds. */
const START_LIMIT_MS = 30_000;
const LOG_LIMIT = 4 * 1024 * 1024;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The road to this user's daemon, which is started if there is none. */
export async function openDaemon(options: DaemonOptions): Promise<Transport> {
  const found = await findDaemon(options);
  if (found !== undefined && (await isUsable(found, options))) return found.transport;
  return startDaemon(options);
}

/** The road to this user's daemon where it runs; undefined where it does not. */
export async function findDaemon({ stateDir }: Pick<DaemonOptions, 'stateDir'>): Promise<Found | undefined> {
  const file = readDaemonFile(stateDir);
  if (file === undefined) return undefined;
  const transport = createLocalTransport(file.socket);
  try {
    const connection = await transport.connect();
    return { file, transport: withFirst(transport, connection) };
  } catch {
    return undefined;
  }
}

export interface Found {
  readonly file: DaemonFile;
  readonly transport: Transport;
}

export function readDaemonFile(stateDir: string): DaemonFile | undefined {
  try {
    return JSON.parse(readFileSync(join(stateDir, 'daemon.json'), 'utf8')) as DaemonFile;
  } catch {
    return undefined;
  }
}

/** Asks the daemon to stop and waits until it has gone. @throws SbxError `busy` */
export async function stopDaemon(found: Found, options: { ifIdle: boolean }): Promise<void> {
  const connection = await found.transport.connect();
  try {
    await requestStop(connection, options);
  } finally {
    connection.close();
  }
  while (isRunning(found.file)) await sleep(10);
}

/** One of our version and runtime, or one that is busy and speaks our protocol; another that is idle is stopped. */
async function isUsable(found: Found, options: DaemonOptions): Promise<boolean> {
  const { runtime, runtime_path, version, protocol } = found.file;
  const hasOurRuntime = options.runtime === undefined || [runtime, runtime_path].includes(options.runtime);
  if (version === options.version && hasOurRuntime) return true;
  try {
    await stopDaemon(found, { ifIdle: true });
    return false;
  } catch (error) {
    if (!(error instanceof SbxError) || error.code !== 'busy') throw error;
    if (!hasOurRuntime) throw new SbxError('busy', `The daemon makes sandboxes with ${runtime}, and is busy`);
    if (protocol === PROTOCOL) return true;
    throw new SbxError(
      'protocol_mismatch',
      `The daemon is sbx ${version} with protocol ${protocol}, and busy`,
    );
  }
}

async function startDaemon(options: DaemonOptions): Promise<Transport> {
  let child: ChildProcess | undefined;
  const deadline = Date.now() + START_LIMIT_MS;
  try {
    while (Date.now() < deadline) {
      // One that found the lock taken has left without a word: whoever holds it may be on its way out.
      if (child === undefined || child.exitCode === 0) child = spawnDaemon(options);
      if (child.exitCode !== null || child.signalCode !== null) throw failedStart(options.stateDir, child);
      await sleep(10);
      const found = await findDaemon(options);
      if (found !== undefined) return found.transport;
    }
    throw failedStart(options.stateDir, child);
  } finally {
    child?.unref();
    child?.removeAllListeners();
  }
}

/** In a session of its own, with a clean environment and nothing of our descriptors. */
function spawnDaemon({ stateDir, program, runtime }: DaemonOptions): ChildProcess {
  const [file, ...args] = program;
  const log = openLog(stateDir);
  try {
    const runtimeArgs = runtime === undefined ? [] : ['--runtime', runtime];
    return spawn(file, [...args, '--state-dir', stateDir, ...runtimeArgs], {
      detached: true,
      cwd: '/',
      env: { PATH, LANG: 'C.UTF-8' },
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}

function openLog(stateDir: string): number {
  const path = join(stateDir, 'daemon.log');
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    if ((lstatSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT) truncateSync(path);
    return openSync(path, 'a', 0o600);
  } catch (cause) {
    throw new SbxError('state_dir_unusable', `Cannot write under ${stateDir}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The daemon's last words are the reason, in the form in which it prints errors for people. */
function failedStart(stateDir: string, child: ChildProcess | undefined): SbxError {
  const path = join(stateDir, 'daemon.log');
  const [line = '', hint] = readLastError(path);
  const how = child?.signalCode ?? child?.exitCode ?? 'still starting';
  return new SbxError(
    'daemon_failed',
    line || `The daemon did not start (${String(how)}); its log is ${path}`,
    {
      ...(hint !== undefined && { hint }),
    },
  );
}

function readLastError(path: string): string[] {
  try {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    const start = lines.findLastIndex((line) => line.startsWith('sbx: ') && !line.startsWith('sbx: hint: '));
    return lines.slice(start, start + 2).map((line) => line.replace(/^sbx: (hint: )?/, ''));
  } catch {
    return [];
  }
}

/** The first connection is there already: whoever asks first gets it. */
function withFirst(transport: Transport, first: Connection): Transport {
  let spare: Connection | undefined = first;
  return {
    connect: () => {
      const connection = spare;
      spare = undefined;
      return connection === undefined ? transport.connect() : Promise.resolve(connection);
    },
  };
}

/** The process itself, and not another that has got its number since. A zombie has gone. */
function isRunning({ pid, start_time }: DaemonFile): boolean {
  const stat = readProcessStat(pid);
  return stat?.startTime === start_time && stat.state !== 'Z';
}
