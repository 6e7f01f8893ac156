import { Command } from 'commander';
import { listSandboxes } from '../../client/api.ts';
import type { SandboxStatus } from '../../protocol/api.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { addHostOption, type HostFlag } from '../options/host.ts';
import { printJson } from '../json/print-json.ts';
import { parseWords } from '../options/parse-options.ts';
import { formatTable } from '../output/table.ts';

export function createLsCommand(): Command {
  const command = new Command('ls')
    .summary('list sandboxes')
    .description('Lists your sandboxes, a line each.')
    .option('-q, --quiet', 'names only')
    .option('--json', 'print one JSON object');
  return addHostOption(command);
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const {
    flags: { quiet, json, host },
  } = parseWords<HostFlag & { quiet?: true; json?: true }>(createLsCommand(), args);
  const sandboxes = await withConnection(context, { host }, listSandboxes);
  if (json) await printJson(context, { sandboxes });
  else if (quiet) await context.print(sandboxes.map(({ name }) => `${name}\n`).join(''));
  else
    await context.print(
      formatTable(['NAME', 'STATE', 'NETWORK', 'CREATED', 'EXPIRES', 'LABELS'], sandboxes.map(toRow)),
    );
  return 0;
}

function toRow({ name, state, network, created, expires, labels }: SandboxStatus): string[] {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [name, state, network, created, expires ?? '-', pairs.join(',') || '-'];
}
