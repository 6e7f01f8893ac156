import { Command } from 'commander';
import { inspectExec, removeExec, removeSandbox } from '../../client/api.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { doForEach } from '../each-word.ts';
import { addHostOption, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';

export function createRmCommand(): Command {
  const command = new Command('rm')
    .summary('remove sandboxes, or execs that have ended')
    .description(
      'Ends what runs in the sandboxes and deletes them with their files. With --exec it deletes the records and logs of execs that have ended.',
    )
    .usage('[options] SANDBOX... | --exec EXEC...')
    .argument('<name...>', 'names or ids of sandboxes, or ids of execs')
    .option('--exec', 'what is named are execs');
  return addHostOption(command);
}

/** Removes all it can; the status is that of the first error. */
export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags, words } = parseWords<{ exec?: true } & HostFlag>(createRmCommand(), args);
  return withConnection(context, flags, (connection) =>
    doForEach(words, context, async (word) => {
      if (flags.exec) await removeExec(connection, (await inspectExec(connection, word)).id);
      else await removeSandbox(connection, word);
    }),
  );
}
