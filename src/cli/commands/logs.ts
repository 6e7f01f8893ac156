import { Command, Option } from 'commander';
import type { ReadFrom } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS } from '../../protocol/events.ts';
import type { Context } from '../context.ts';
import type { ExecOutputOptions } from '../exec/exec-output.ts';
import { runPlan } from '../exec/exec-run.ts';
import { findExec, type FoundExec } from '../exec/find-exec.ts';
import { findTail } from '../logs/find-tail.ts';
import { LogOutput, type LogForm } from '../logs/log-output.ts';
import type { LogPlace } from '../logs/log-place.ts';
import { parseSince } from '../logs/parse-since.ts';
import { findErrorForm as findPlainForm, type ErrorForm } from '../json/error-form.ts';
import { toErrorEvent } from '../json/exec-error-form.ts';
import { addHostOption, toHost, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';

export interface LogsOptions extends Omit<LogForm, 'openPlace'>, HostFlag {
  readonly exec: string;
  readonly form: 'plain' | 'stamped' | 'json';
  /** How many of the last lines; undefined for all. */
  readonly tail: number | undefined;
}

interface Flags extends HostFlag {
  follow?: true;
  tail?: number;
  since?: number;
  timestamps?: true;
  stdout?: true;
  stderr?: true;
  json?: true;
}

/** The beginning of each is kept in memory. */
const MOST_LINES = 1_000_000;

export function createLogsCommand(): Command {
  const command = new Command('logs')
    .summary('show what an exec has printed')
    .description(
      'Prints what is kept of the output of an exec, also after its end: stdout to stdout, stderr to stderr. It is kept of execs that were started with --detach or --log, or went on by --on-disconnect keep.',
    )
    .argument('<exec>', 'id, or its first 8 characters or more')
    .option('-f, --follow', 'go on with what comes, until the exec ends')
    .option('--tail <lines>', 'the last lines only, counted over both streams', parseTail)
    .option(
      '--since <time>',
      'lines from this time on: 5m for five minutes ago, or a time in ISO 8601',
      (text) => parseSince(text, Date.now()),
    )
    .option('-t, --timestamps', 'put before each line the time at which it came')
    .option('--stdout', 'only stdout, unless --stderr is there too')
    .option('--stderr', 'only stderr, unless --stdout is there too')
    .addOption(new Option('--json', 'print JSON on stdout, an event a line').conflicts('timestamps'));
  return addHostOption(command);
}

export function parseLogs(args: readonly string[]): LogsOptions {
  const { flags, words } = parseWords<Flags>(createLogsCommand(), args);
  const named = OUTPUT_STREAMS.filter((stream) => flags[stream]);
  return {
    ...toHost(flags),
    exec: words[0] as string,
    streams: named.length === 0 ? OUTPUT_STREAMS : named,
    isFollowing: flags.follow ?? false,
    tail: flags.tail,
    since: flags.since,
    form: flags.json ? 'json' : flags.timestamps ? 'stamped' : 'plain',
  };
}

/** With JSON an error is an event, as all else is. */
export function findErrorForm(args: readonly string[]): ErrorForm | undefined {
  return findPlainForm(args) && toErrorEvent;
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const options = parseLogs(args);
  const openPlace = await loadPlace(options);
  return runPlan(
    {
      isNew: false,
      open: async (signal) => {
        const found = await findExec(context, options, signal);
        const { id, log } = found.record;
        if (!log) throw new SbxError('output_not_kept', `The output of exec ${id} is not kept`);
        const from = await findBeginning(options, found, signal);
        return { transport: found.transport, opening: { attach: { id, watch: true, from } } };
      },
      isStreaming: true,
      hasStdin: false,
      openForm: (output) => ({ output: new LogOutput(output, { ...options, openPlace }) }),
      isQuiet: options.form === 'json',
    },
    context,
  );
}

async function loadPlace({ form }: LogsOptions): Promise<(output: ExecOutputOptions) => LogPlace> {
  if (form === 'json') {
    const { LogEvents } = await import('../json/log-events.ts');
    return (output) => new LogEvents(output);
  }
  const { LogLines } = await import('../logs/log-lines.ts');
  return (output) => new LogLines(output, { hasTimestamps: form === 'stamped' });
}

async function findBeginning(
  { tail, since, streams }: LogsOptions,
  { transport, record: { id } }: FoundExec,
  signal: AbortSignal,
): Promise<ReadFrom> {
  if (tail === undefined) return 'start';
  return findTail({ transport, id, lines: tail, since, streams, signal });
}

function parseTail(text: string): number {
  const lines = /^\d+$/.test(text) ? Number(text) : NaN;
  if (lines <= MOST_LINES) return lines;
  throw new SbxError('usage', `"${text}" is not a number of lines`, {
    hint: `Use --tail with a number up to ${MOST_LINES}`,
  });
}
