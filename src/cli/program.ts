import { CommanderError, type Command } from 'commander';
import { SbxError } from '../protocol/errors.ts';
import type { Context } from './context.ts';
import { reportError } from './report-error.ts';

interface CommandModule {
  /** Gives the exit status. */
  run(args: readonly string[], context: Context): Promise<number>;
}

interface CommandEntry {
  readonly load: () => Promise<CommandModule>;
  readonly declare: () => Promise<Command>;
}

/** Every command, loaded when it is asked for: a start pays for no other. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  exec: {
    load: () => import('./commands/exec.ts'),
    declare: async () => (await import('./commands/exec.ts')).createExecCommand(),
  },
  create: {
    load: () => import('./commands/create.ts'),
    declare: async () => (await import('./commands/create.ts')).createCreateCommand(),
  },
  ls: {
    load: () => import('./commands/ls.ts'),
    declare: async () => (await import('./commands/ls.ts')).createLsCommand(),
  },
  inspect: {
    load: () => import('./commands/inspect.ts'),
    declare: async () => (await import('./commands/inspect.ts')).createInspectCommand(),
  },
  rm: {
    load: () => import('./commands/rm.ts'),
    declare: async () => (await import('./commands/rm.ts')).createRmCommand(),
  },
  daemon: {
    load: () => import('./commands/daemon.ts'),
    declare: async () => (await import('./commands/daemon.ts')).createDaemonCommand(),
  },
  serve: {
    load: () => import('./commands/serve.ts'),
    declare: async () => (await import('./commands/serve.ts')).createServeCommand(),
  },
  setup: {
    load: () => import('./commands/setup.ts'),
    declare: async () => (await import('./commands/setup.ts')).createSetupCommand(),
  },
  doctor: {
    load: () => import('./commands/doctor.ts'),
    declare: async () => (await import('./commands/doctor.ts')).createDoctorCommand(),
  },
  version: {
    load: () => import('./commands/version.ts'),
    declare: async () => (await import('./commands/version.ts')).createVersionCommand(),
  },
};

/** Runs `sbx` with the words after its name; gives the exit status. Every error ends here. */
export async function runProgram(args: readonly string[], context: Context): Promise<number> {
  try {
    return await dispatch(args, context);
  } catch (error) {
    // Help was asked for, and commander has printed it.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return reportError(error, context);
  }
}

async function dispatch([name, ...args]: readonly string[], context: Context): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') return printHelp(context);
  if (name === '--version' || name === '-V') return dispatch(['version'], context);
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw new SbxError('usage', `There is no command "${name}"`);
  const command = await entry.load();
  return command.run(args, context);
}

async function printHelp(context: Context): Promise<number> {
  const { createProgram } = await import('./program-help.ts');
  await context.print((await createProgram()).helpInformation());
  return 0;
}
