import { join } from 'node:path';
import { Command } from 'commander';
import { openOciDriver } from '../../drivers/oci/open-driver.ts';
import { acquireFileLock } from '../../posix/file-lock.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { Daemon } from '../../server/daemon.ts';
import { findStateDir, requireAbsolute } from '../../state/location.ts';
import { preparePrivateDirectory } from '../../state/private-directory.ts';
import type { Context } from '../context.ts';
import { delayOptimizing } from '../delay-optimizing.ts';
import { parseWords } from '../options/parse-options.ts';

export interface ServeOptions {
  readonly stateDir: string;
  readonly runtime: string | undefined;
  readonly idleExitMs: number;
}

interface Flags {
  stateDir?: string;
  runtime?: string;
  idleExit: number;
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
    );
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags } = parseWords<Flags>(createServeCommand(), args);
  const { env, uid, home } = context;
  return runServe(
    {
      stateDir:
        flags.stateDir === undefined ? findStateDir({ env, uid, home }) : requireAbsolute(flags.stateDir),
      runtime: flags.runtime ?? (env['SBX_RUNTIME'] || undefined),
      idleExitMs: flags.idleExit,
    },
    context,
  );
}

/** Serves until it is told to stop, by a signal or a request, or is idle. */
async function runServe(options: ServeOptions, context: Context): Promise<number> {
  delayOptimizing();
  const { stateDir, runtime } = options;
  const log = (line: string): void => {
    context.say(line);
  };
  preparePrivateDirectory(stateDir, context.uid);
  const lock = acquireFileLock(join(stateDir, 'lock'));
  // Another daemon of this directory lives.
  if (lock === undefined) return 0;
  const driver = await openOciDriver({ stateDir, log, ...(runtime !== undefined && { runtime }) });
  const daemon = new Daemon({
    stateDir,
    driver,
    uid: context.uid,
    version: context.version,
    idleExitMs: options.idleExitMs,
    log,
  });
  for (const name of ['TERM', 'INT', 'HUP'] as const) context.onSignal(name, () => void daemon.stop());
  await daemon.open();
  await daemon.stopped;
  lock.release();
  return 0;
}
