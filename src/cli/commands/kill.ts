import { Command, Option } from 'commander';
import { inspectExec, killExec, signalExec } from '../../client/api.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { doForEach } from '../each-word.ts';
import { addHostOption, toHost, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';
import { parseSignalName } from '../options/signal-name.ts';

export interface KillOptions extends HostFlag {
  readonly execs: readonly string[];
  /** Undefined: TERM, and KILL when that did not help. */
  readonly signal: string | undefined;
  readonly killAfterMs: number | undefined;
}

interface Flags extends HostFlag {
  signal?: string;
  killAfter?: number;
}

export function createKillCommand(): Command {
  const command = new Command('kill')
    .summary('end execs, or send them a signal')
    .description(
      'Sends TERM to the process group of each exec, and KILL when it has not ended in time. With --signal it sends that signal alone, as kill(1) would.',
    )
    .argument('<exec...>', 'ids, or their first 8 characters or more')
    .addOption(
      new Option('-s, --signal <name>', 'send this signal, a name or a number, and nothing after it')
        .argParser(parseSignalName)
        .conflicts('killAfter'),
    )
    .option('--kill-after <duration>', 'from TERM to KILL (default: 5s)', parseDuration);
  return addHostOption(command);
}

export function parseKill(args: readonly string[]): KillOptions {
  const { flags, words } = parseWords<Flags>(createKillCommand(), args);
  return { ...toHost(flags), execs: words, signal: flags.signal, killAfterMs: flags.killAfter };
}

/** Does not wait for their ends: that is `sbx wait`. */
export async function run(args: readonly string[], context: Context): Promise<number> {
  const options = parseKill(args);
  const { execs, signal, killAfterMs } = options;
  return withConnection(context, options, (connection) =>
    doForEach(execs, context, async (word) => {
      const { id } = await inspectExec(connection, word);
      if (signal === undefined) await killExec(connection, id, { killAfterMs });
      else await signalExec(connection, id, signal);
    }),
  );
}
