import { Command } from 'commander';
import { COMMANDS } from './command-table.ts';

/** The whole command tree, for help, man pages and completion. */
export async function createProgram(): Promise<Command> {
  const program = new Command('sbx')
    .usage('COMMAND [options]')
    .description('Runs commands in sandboxes as if they ran here: same bytes, same end, same exit status.')
    .helpCommand(false);
  for (const { declare } of Object.values(COMMANDS)) program.addCommand(await declare());
  return program;
}
