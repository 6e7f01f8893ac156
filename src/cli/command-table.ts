import type { Command } from 'commander';
import type { Context } from './context.ts';
import type { ErrorForm } from './json/error-form.ts';

export interface CommandModule {
  /** Gives the exit status. */
  run(args: readonly string[], context: Context): Promise<number>;
  /** What an error is printed as; for a command that has a form of its own, or whose words are not all its own. */
  findErrorForm?(args: readonly string[]): ErrorForm | undefined;
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
  rsh: {
    load: () => import('./commands/rsh.ts'),
    declare: async () => (await import('./commands/rsh.ts')).createRshCommand(),
  },
  ps: {
    load: () => import('./commands/ps.ts'),
    declare: async () => (await import('./commands/ps.ts')).createPsCommand(),
  },
  logs: {
    load: () => import('./commands/logs.ts'),
    declare: async () => (await import('./commands/logs.ts')).createLogsCommand(),
  },
  attach: {
    load: () => import('./commands/attach.ts'),
    declare: async () => (await import('./commands/attach.ts')).createAttachCommand(),
  },
  wait: {
    load: () => import('./commands/wait.ts'),
    declare: async () => (await import('./commands/wait.ts')).createWaitCommand(),
  },
  kill: {
    load: () => import('./commands/kill.ts'),
    declare: async () => (await import('./commands/kill.ts')).createKillCommand(),
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
