import { join } from 'node:path';
import { Command } from 'commander';
import { enterNamespaces } from '../../drivers/oci/enter-namespaces.ts';
import { openOciDriver } from '../../drivers/oci/open-driver.ts';
import { acquireFileLock, adoptFileLock, type FileLock } from '../../posix/file-lock.ts';
import { STOP_TIMEOUT_MS } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { Daemon } from '../../server/daemon.ts';
import { findStateDir, requireAbsolute } from '../../state/location.ts';
import { preparePrivateDirectory } from '../../state/private-directory.ts';
import type { Context } from '../context.ts';
import { delayOptimizing } from '../delay-optimizing.ts';
import { ENTRY_VARIABLE, formatEntry, parseEntry } from '../entry.ts';
import { parseWords } from '../options/parse-options.ts';

export interface ServeOptions {
  readonly stateDir: string;
  readonly runtime: string | undefined;
  readonly idleExitMs: number;
  readonly stopTimeoutMs: number;
}

interface Flags {
  stateDir?: string;
  runtime?: string;
  idleExit: number;
  stopTimeout: number;
}

export function createServeCommand(): Command {
  return new Command('serve')
    .summary("run this user's server in the foreground")
    .description(
      'Runs the server that owns sandboxes and execs, on a socket in the state directory. Other commands start one by themselves; where one runs already, this one ends at once.',
    )
    .option('--state-dir <dir>', 'where its state lies (default: as SBX_STATE_DIR says)')
    .option('--runtime <name>', 'OCI runtime to use: crun, runc or a path')
    .option(
      '--idle-exit <duration>',
      'stop after this long without work (default: 60s)',
      parseDuration,
      60_000,
    )
    .option(
      '--stop-timeout <duration>',
      'on a signal, how long execs that have a client may take to end by themselves (default: 10s)',
      parseDuration,
      STOP_TIMEOUT_MS,
    );
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags } = parseWords<Flags>(createServeCommand(), args);
  const { env, uid, home } = context;
  const options: ServeOptions = {
    stateDir:
      flags.stateDir === undefined ? findStateDir({ env, uid, home }) : requireAbsolute(flags.stateDir),
    runtime: flags.runtime ?? (env['SBX_RUNTIME'] || undefined),
    idleExitMs: flags.idleExit,
    stopTimeoutMs: flags.stopTimeout,
  };
  preparePrivateDirectory(options.stateDir, uid);
  const entry = parseEntry(env[ENTRY_VARIABLE]);
  const lock = entry === undefined ? takeLock(join(options.stateDir, 'lock')) : adoptFileLock(entry.lock);
  // Another daemon of this directory lives.
  if (lock === undefined) return 0;
  if (uid !== 0) return enterAsRoot(options, lock, context);
  try {
    await serve(options, entry?.uid ?? uid, context);
  } finally {
    lock.release();
  }
  return 0;
}

/** Undefined where another daemon has it. @throws SbxError `state_dir_unusable` on a file system without locks */
function takeLock(path: string): FileLock | undefined {
  try {
    return acquireFileLock(path);
  } catch (cause) {
    throw new SbxError('state_dir_unusable', `Cannot lock ${path}: ${(cause as Error).message}`, {
      cause,
      hint: 'Choose a directory on a disk of this machine with SBX_STATE_DIR',
    });
  }
}

/** A plain user's daemon starts anew where this user is root: in a user namespace of its own. */
function enterAsRoot(options: ServeOptions, lock: FileLock, context: Context): Promise<never> {
  const { stateDir, runtime, idleExitMs, stopTimeoutMs } = options;
  const { uid, gid, env, program, say } = context;
  const times = ['--idle-exit', `${idleExitMs}ms`, '--stop-timeout', `${stopTimeoutMs}ms`];
  const words = ['serve', '--state-dir', stateDir, ...times];
  return enterNamespaces({
    stateDir,
    user: { uid, gid },
    program: [...program, ...words, ...(runtime === undefined ? [] : ['--runtime', runtime])],
    env: { ...env, [ENTRY_VARIABLE]: formatEntry({ lock: lock.fd, uid }) },
    descriptors: [lock.fd],
    log: say,
  });
}

/** Serves until it is told to stop, by a signal or a request, or is idle. */
async function serve(options: ServeOptions, owner: number, context: Context): Promise<void> {
  delayOptimizing();
  const { stateDir, runtime } = options;
  const log = (line: string): void => {
    context.say(line);
  };
  const driver = await openOciDriver({ stateDir, log, ...(runtime !== undefined && { runtime }) });
  const daemon = new Daemon({
    stateDir,
    driver,
    owner,
    uid: context.uid,
    version: context.version,
    idleExitMs: options.idleExitMs,
    log,
  });
  let waitMs = options.stopTimeoutMs;
  for (const name of ['TERM', 'INT', 'HUP'] as const) {
    context.onSignal(name, () => {
      void daemon.stop({ waitMs });
      // Whoever asks again does not want to wait.
      waitMs = 0;
    });
  }
  await daemon.open();
  await daemon.stopped;
}
