import { Command } from 'commander';
import { inspectSandbox } from '../../client/api.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { parseWords } from '../options/parse-options.ts';

export function createInspectCommand(): Command {
  return new Command('inspect')
    .summary('show a sandbox as JSON')
    .description('Prints all that is known of a sandbox, as JSON.')
    .argument('<sandbox>', 'name or id');
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { words } = parseWords(createInspectCommand(), args);
  const status = await withConnection(context, {}, (connection) =>
    inspectSandbox(connection, words[0] as string),
  );
  await context.print(`${JSON.stringify(status, null, 2)}\n`);
  return 0;
}
