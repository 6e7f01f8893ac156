import { Command } from 'commander';
import { PROTOCOL } from '../../protocol/api.ts';
import type { Context } from '../context.ts';
import { printJson } from '../json/print-json.ts';
import { parseWords } from '../options/parse-options.ts';

export function createVersionCommand(): Command {
  return new Command('version')
    .summary('print the version')
    .description('Prints the version of sbx and of its protocol.')
    .option('--json', 'print one JSON object');
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags } = parseWords<{ json?: true }>(createVersionCommand(), args);
  const { version } = context;
  if (flags.json) {
    await printJson(context, { version, protocol: PROTOCOL });
    return 0;
  }
  await context.print(`sbx ${version}, protocol ${PROTOCOL}\n`);
  return 0;
}
