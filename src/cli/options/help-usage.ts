import type { Command } from 'commander';

/** A command is parsed apart from its program: its help names that, too. */
export function showWholeUsage(command: Command): Command {
  return command.configureHelp({ commandUsage: (shown) => `sbx ${shown.name()} ${shown.usage()}` });
}
