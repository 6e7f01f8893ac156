import { CommanderError } from 'commander';
import { SbxError } from '../protocol/errors.ts';
import { COMMANDS } from './command-table.ts';
import type { Context } from './context.ts';
import { reportError } from './report-error.ts';

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
