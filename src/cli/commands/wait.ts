import { Command } from 'commander';
import type { Context } from '../context.ts';
import { runPlan } from '../exec/exec-run.ts';
import { findExec } from '../exec/find-exec.ts';
import { SilentOutput } from '../exec/silent-output.ts';
import { WaitObject } from '../json/wait-object.ts';
import { addHostOption, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';

export function createWaitCommand(): Command {
  const command = new Command('wait')
    .summary('wait for the end of an exec')
    .description(
      'Waits until an exec has ended, prints nothing, and exits with the status that sbx exec would have had.',
    )
    .argument('<exec>', 'id, or its first 8 characters or more')
    .option('--json', 'print one JSON object with how it ended');
  return addHostOption(command);
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags, words } = parseWords<HostFlag & { json?: true }>(createWaitCommand(), args);
  const { json, ...host } = flags;
  return runPlan(
    {
      isNew: false,
      open: async (signal) => {
        const { transport, record } = await findExec(context, { exec: words[0] as string, ...host }, signal);
        return { transport, opening: { attach: { id: record.id, watch: true, output: false } } };
      },
      isStreaming: true,
      hasStdin: false,
      openForm: () => ({ output: json ? new WaitObject(context) : new SilentOutput() }),
      isQuiet: json ?? false,
    },
    context,
  );
}
