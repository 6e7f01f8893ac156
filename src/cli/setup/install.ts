import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { SbxError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { canAsk, confirm } from './confirm.ts';
import { formatNeeds, type Need } from './needs.ts';
import {
  findPackageManager,
  formatCommand,
  hasLists,
  PACKAGE_MANAGERS,
  toInstallCommand,
  toRefreshCommand,
  type PackageCommand,
  type PackageManager,
} from './package-manager.ts';

/** Where a package manager is, whatever the caller's PATH says besides. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface InstallOptions {
  /** The answer to the question is yes. */
  readonly isAgreed: boolean;
}

/**
 * Installs with the package manager of this machine, when somebody has agreed to the commands that are shown.
 * @throws SbxError `setup_failed`, `usage`
 */
export async function install(
  needs: readonly Need[],
  { isAgreed }: InstallOptions,
  context: Context,
): Promise<void> {
  context.say(`missing: ${formatNeeds(needs)}`);
  const env = { ...context.env, PATH: toSearchPath(context.env['PATH']) };
  const manager = findPackageManager(env.PATH);
  if (manager === undefined) throw noManager(needs);
  const commands = toCommands(manager, needs);
  if (context.uid !== 0) throw needsRoot(needs, commands);
  context.say(`to be run: ${commands.map(formatCommand).join(' && ')}`);
  if (!isAgreed) await ask(context);
  await runAll(commands, { manager, env, context });
}

/** Never a directory that is relative: it is root who looks. */
function toSearchPath(path = ''): string {
  const directories = path.split(':').filter((directory) => directory.startsWith('/'));
  return [...directories, SYSTEM_PATH].join(':');
}

function toCommands(manager: PackageManager, needs: readonly Need[]): PackageCommand[] {
  const refresh = hasLists(manager) ? undefined : toRefreshCommand(manager);
  return [...(refresh ? [refresh] : []), toInstallCommand(manager, needs)];
}

async function ask(context: Context): Promise<void> {
  if (!canAsk(context)) {
    throw new SbxError('usage', 'Cannot ask whether to install: there is no terminal', {
      hint: 'Agree beforehand with: sbx setup --yes',
    });
  }
  if (!(await confirm('Run this now?', context))) {
    throw new SbxError('setup_failed', 'Nothing was installed', { hint: 'Ask again with: sbx setup' });
  }
}

interface Run {
  readonly manager: PackageManager;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly context: Context;
}

/** Lists that are out of date let an install fail: it is tried once more with new ones. */
async function runAll(commands: readonly PackageCommand[], { manager, env, context }: Run): Promise<void> {
  const failed = await runEach(commands, env);
  if (failed === undefined) return;
  const refresh = toRefreshCommand(manager);
  if (refresh !== undefined && commands.length === 1) {
    context.say(`that failed; once more after: ${formatCommand(refresh)}`);
    const failedAgain = await runEach([refresh, ...commands], env);
    if (failedAgain === undefined) return;
    throw toSetupError(failedAgain);
  }
  throw toSetupError(failed);
}

interface Failure {
  readonly command: PackageCommand;
  readonly how: string;
}

async function runEach(commands: readonly PackageCommand[], env: Run['env']): Promise<Failure | undefined> {
  for (const command of commands) {
    const how = await runCommand(command, env);
    if (how !== undefined) return { command, how };
  }
  return undefined;
}

/** Its output goes to our stderr, as our stdout is for results. Undefined when it has succeeded. */
async function runCommand(command: PackageCommand, env: Run['env']): Promise<string | undefined> {
  const child = spawn(command.file, command.args, {
    stdio: ['ignore', 2, 2],
    env: { ...env, ...command.env },
  });
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return code === 0 ? undefined : signal === null ? `exited with ${code}` : `was ended by ${signal}`;
  } catch (error) {
    return `could not be started: ${(error as Error).message}`;
  }
}

function toSetupError({ command, how }: Failure): SbxError {
  return new SbxError('setup_failed', `Cannot install what is missing: ${command.file} ${how}`, {
    hint: `Its own words are above; when that is cured, try again: ${formatCommand(command)}`,
  });
}

function needsRoot(needs: readonly Need[], commands: readonly PackageCommand[]): SbxError {
  const line = commands.map(({ file, args }) => ['sudo', file, ...args].join(' ')).join(' && ');
  return new SbxError('setup_failed', `Cannot install ${formatNeeds(needs)}: that needs root`, {
    hint: `Run: ${line}`,
  });
}

function noManager(needs: readonly Need[]): SbxError {
  const names = PACKAGE_MANAGERS.map(({ name }) => name).join(', ');
  return new SbxError('setup_failed', `Cannot install: none of ${names} is here`, {
    hint: `Install ${formatNeeds(needs)} in /usr/local/bin or /usr/bin, then see: sbx doctor`,
  });
}
