import { Command } from 'commander';
import { removeSandbox } from '../../client/api.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { addHostOption, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';
import { reportError } from '../report-error.ts';

export function createRmCommand(): Command {
  const command = new Command('rm')
    .summary('remove sandboxes')
    .description('Ends what runs in the sandboxes and deletes them with their files.')
    .argument('<sandbox...>', 'names or ids');
  return addHostOption(command);
}

/** Removes all it can; the status is that of the first error. */
export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags, words } = parseWords<HostFlag>(createRmCommand(), args);
  return withConnection(context, flags, async (connection) => {
    let status = 0;
    for (const name of words) {
      try {
        await removeSandbox(connection, name);
      } catch (error) {
        const failed = reportError(error, context);
        status ||= failed;
      }
    }
    return status;
  });
}
