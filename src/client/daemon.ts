import { setTimeout as sleep } from 'node:timers/promises';
import { readProcessStat } from '../posix/process-stat.ts';
import { PROTOCOL } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { readDaemonFile, type DaemonFile } from '../state/daemon-file.ts';
import { isPrivateDirectory } from '../state/private-directory.ts';
import { requestStop, type StopOptions } from './api.ts';
import { createLocalTransport } from './http-transport.ts';
import type { Connection, Transport } from './transport.ts';
import { useConnection } from './use-connection.ts';

/** How long a daemon that answers no more may take to its end, in milliseconds. */
const LEAVING_MS = 15_000;

export interface DaemonOptions {
  /** An absolute path. */
  readonly stateDir: string;
  readonly uid: number;
  /** Our own version: an idle daemon of another is replaced. */
  readonly version: string;
  /** The program that runs the daemon: `sbx serve`. */
  readonly program: readonly [string, ...string[]];
  /** Name or path of the runtime that new sandboxes are to be made with; undefined leaves the choice to the daemon. */
  readonly runtime: string | undefined;
  /** Ends the attempt to reach it. A daemon that is being started goes on by itself. */
  readonly signal?: AbortSignal | undefined;
}

/** A daemon that was reached. */
export interface Found {
  readonly file: DaemonFile;
  readonly transport: Transport;
}

/** The road to this user's daemon, which is started if there is none. */
export async function openDaemon(options: DaemonOptions): Promise<Transport> {
  const found = await findDaemon(options);
  if (found !== undefined && (await isUsable(found, options))) return found.transport;
  // Loaded where it is needed: node:child_process is a millisecond of every start.
  const { startDaemon } = await import('./daemon-start.ts');
  const started = await startDaemon(options, () => findDaemon(options));
  return started.transport;
}

/**
 * This user's daemon where it runs; undefined where it does not.
 * @throws SbxError `state_dir_unusable` where its directory may be somebody else's work
 */
export async function findDaemon({
  stateDir,
  uid,
}: Pick<DaemonOptions, 'stateDir' | 'uid'>): Promise<Found | undefined> {
  if (!isPrivateDirectory(stateDir, uid)) return undefined;
  const file = readDaemonFile(stateDir);
  if (file === undefined) return undefined;
  const transport = createLocalTransport(file.socket);
  try {
    const connection = await transport.connect();
    const isServerGone = (): boolean => !isRunning(file);
    return { file, transport: { ...withFirst(transport, connection), isServerGone } };
  } catch {
    return undefined;
  }
}

/** Asks the daemon to stop and waits until it has gone, or until `signal` aborts. @throws SbxError `busy` */
export async function stopDaemon(found: Found, options: StopOptions, signal?: AbortSignal): Promise<void> {
  try {
    await useConnection(found.transport, (connection) => requestStop(connection, options), signal);
  } catch (error) {
    if (!(error instanceof SbxError) || error.code !== 'server_unreachable') throw error;
    // One that another client has asked before us closes its connections, and goes.
    if (await hasEndedWithin(LEAVING_MS, found.file, signal)) return;
    throw error;
  }
  await hasEndedWithin(Infinity, found.file, signal);
}

async function hasEndedWithin(ms: number, file: DaemonFile, signal?: AbortSignal): Promise<boolean> {
  const begun = performance.now();
  while (isRunning(file)) {
    if (performance.now() - begun > ms) return false;
    await sleep(10, undefined, { signal });
  }
  return true;
}

/** One of our version and runtime, or one that is busy and speaks our protocol; another that is idle is stopped. */
async function isUsable(found: Found, options: DaemonOptions): Promise<boolean> {
  const { runtime, runtime_path, version, protocol } = found.file;
  const hasOurRuntime = options.runtime === undefined || [runtime, runtime_path].includes(options.runtime);
  if (version === options.version && hasOurRuntime) return true;
  try {
    await stopDaemon(found, { ifIdle: true }, options.signal);
    return false;
  } catch (error) {
    if (!(error instanceof SbxError) || error.code !== 'busy') throw error;
    if (!hasOurRuntime) throw new SbxError('busy', `The daemon makes sandboxes with ${runtime}, and is busy`);
    if (protocol === PROTOCOL) return true;
    const speaks = `sbx ${version} with protocol ${protocol}`;
    throw new SbxError('protocol_mismatch', `The daemon is ${speaks}, and busy`);
  }
}

/** The first connection is there already: whoever asks first gets it. */
function withFirst(transport: Transport, first: Connection): Transport {
  let spare: Connection | undefined = first;
  return {
    ...transport,
    connect: (signal) => {
      const connection = spare;
      spare = undefined;
      return connection?.isOpen ? Promise.resolve(connection) : transport.connect(signal);
    },
  };
}

/** The process itself, and not another that has got its number since. A zombie has gone. */
function isRunning({ pid, start_time }: DaemonFile): boolean {
  const stat = readProcessStat(pid);
  return stat?.startTime === start_time && stat.state !== 'Z';
}
