import { Command } from 'commander';
import { SbxError } from '../../protocol/errors.ts';
import { toDaemonOptions } from '../connect.ts';
import type { Context } from '../context.ts';
import { parseWords } from '../options/parse-options.ts';
import { install, type InstallOptions } from '../setup/install.ts';
import { findNeeds, findOtherRuntime, formatNeeds, type Parts } from '../setup/needs.ts';
import { trySandbox } from '../setup/try-sandbox.ts';
import { findParts } from './doctor.ts';
import { probeHost } from './doctor-probe.ts';

export function createSetupCommand(): Command {
  return new Command('setup')
    .summary('install what sandboxes need')
    .description(
      'Finds what this machine lacks for sandboxes (an OCI runtime, a static init), installs it with the system package manager (apt-get, dnf, apk or pacman) and tries a sandbox. It shows the commands and asks before it runs them.',
    )
    .option('-y, --yes', 'run the commands without asking');
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const {
    flags: { yes },
  } = parseWords<{ yes?: true }>(createSetupCommand(), args);
  await context.print(`${await setUp({ isAgreed: yes ?? false }, context)}\n`);
  return 0;
}

/** Gives the sentence that says what has been done. */
async function setUp(options: InstallOptions, context: Context): Promise<string> {
  const needs = findNeeds(findParts(context));
  if (needs.length > 0) {
    await install(needs, options, context);
    requireAll(findParts(context));
  }
  const runtime = await trySandbox(toDaemonOptions(context)).catch((error: unknown) =>
    tryOtherRuntime(error, options, context),
  );
  const done = needs.length > 0 ? `installed ${formatNeeds(needs)}` : 'nothing is missing';
  return `${done}; a sandbox works here, with ${runtime}`;
}

/** Where all runtimes that are here have been tried in vain, another may do. */
async function tryOtherRuntime(cause: unknown, options: InstallOptions, context: Context): Promise<string> {
  const other = findOtherRuntime(findParts(context));
  if (other === undefined || !(cause instanceof SbxError)) throw toSetupError(cause);
  const { runtimes } = await probeHost(context);
  if (runtimes.some(({ works }) => works)) throw toSetupError(cause);
  context.say(cause.message);
  await install([other], options, context);
  return trySandbox(toDaemonOptions(context)).catch((error: unknown) => {
    throw toSetupError(error);
  });
}

function requireAll(parts: Parts): void {
  const needs = findNeeds(parts);
  if (needs.length === 0) return;
  throw new SbxError(
    'setup_failed',
    `The packages are installed, but this is still missing: ${formatNeeds(needs)}`,
  );
}

function toSetupError(cause: unknown): unknown {
  if (!(cause instanceof SbxError)) return cause;
  return new SbxError('setup_failed', `Nothing is missing, but no sandbox works: ${cause.message}`, {
    cause,
    hint: 'See what is wrong with: sbx doctor',
  });
}
