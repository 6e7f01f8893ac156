import { CommanderError } from 'commander';
import { SbxError } from '../protocol/errors.ts';
import { COMMANDS, type CommandModule } from './command-table.ts';
import type { Context } from './context.ts';
import { findErrorForm } from './json/error-form.ts';
import { reportError } from './report-error.ts';

/** Runs `sbx` with the words after its name; gives the exit status. Every error ends here. */
export async function runProgram(words: readonly string[], context: Context): Promise<number> {
  const [name, ...args] = words;
  if (name === '--version' || name === '-V') return runProgram(['version', ...args], context);
  let told = { ...context, errorForm: findErrorForm(words) };
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help')
      return await printHelp(context);
    const command = await loadCommand(name);
    if (command.findErrorForm !== undefined) told = { ...context, errorForm: command.findErrorForm(args) };
    return await command.run(args, told);
  } catch (error) {
    // Help was asked for, and commander has printed it.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return reportError(error, told);
  }
}

/** @throws SbxError `usage` */
function loadCommand(name: string): Promise<CommandModule> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw new SbxError('usage', `There is no command "${name}"`);
  return entry.load();
}

async function printHelp(context: Context): Promise<number> {
  const { createProgram } = await import('./program-help.ts');
  await context.print((await createProgram()).helpInformation());
  return 0;
}
