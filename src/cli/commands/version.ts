import { Command } from 'commander';
import { PROTOCOL } from '../../protocol/api.ts';
import type { Context } from '../context.ts';
import { parseWords } from '../options/parse-options.ts';

export function createVersionCommand(): Command {
  return new Command('version')
    .summary('print the version')
    .description('Prints the version of sbx and of its protocol.');
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  parseWords(createVersionCommand(), args);
  await context.print(`sbx ${context.version}, protocol ${PROTOCOL}\n`);
  return 0;
}
