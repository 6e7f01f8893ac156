import { Command } from 'commander';
import { removeSandbox } from '../../client/api.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { parseWords } from '../options/parse-options.ts';
import { reportError } from '../report-error.ts';

export function createRmCommand(): Command {
  return new Command('rm')
    .summary('remove sandboxes')
    .description('Ends what runs in the sandboxes and deletes them with their files.')
    .argument('<sandbox...>', 'names or ids');
}

/** Removes all it can; the status is that of the first error. */
export async function run(args: readonly string[], context: Context): Promise<number> {
  const { words } = parseWords(createRmCommand(), args);
  return withConnection(context, {}, async (connection) => {
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
