import { Command } from 'commander';
import { inspectSandbox } from '../../client/api.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { addHostOption, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';

export function createInspectCommand(): Command {
  const command = new Command('inspect')
    .summary('show a sandbox as JSON')
    .description('Prints all that is known of a sandbox, as JSON.')
    .argument('<sandbox>', 'name or id')
    .option('--json', 'print errors as JSON, too');
  return addHostOption(command);
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags, words } = parseWords<HostFlag>(createInspectCommand(), args);
  const status = await withConnection(context, flags, (connection) =>
    inspectSandbox(connection, words[0] as string),
  );
  await context.print(`${JSON.stringify(status, null, 2)}\n`);
  return 0;
}
