import { Command } from 'commander';
import type { ReadFrom } from '../../protocol/api.ts';
import { SbxError, type ErrorCode } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { findExec, hasEnded } from '../exec/find-exec.ts';
import { runPlan } from '../exec/exec-run.ts';
import { openPlainForm } from '../exec/plain-output.ts';
import { findErrorForm as findPlainForm, type ErrorForm } from '../json/error-form.ts';
import { toErrorEvent } from '../json/exec-error-form.ts';
import { addHostOption, toHost, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';

export interface AttachOptions extends HostFlag {
  readonly exec: string;
  readonly from: ReadFrom;
  readonly takes: boolean;
  readonly hasStdin: boolean;
  readonly isJson: boolean;
}

interface Flags extends HostFlag {
  from?: ReadFrom;
  take?: true;
  stdin: boolean;
  json?: true;
}

export function createAttachCommand(): Command {
  const command = new Command('attach')
    .summary('show what an exec prints, and feed its stdin')
    .description(
      'Prints the output of an exec as it arrives, and ends with its exit status. Where the exec has no owner client, or with --take, it becomes that: stdin and signals are forwarded, and a slow reader holds the command back.',
    )
    .argument('<exec>', 'id, or its first 8 characters or more')
    .option('--from <place>', 'start, now, or a position in bytes of output (default: now)', parseFrom)
    .option('--take', 'become the owner client also where there is another')
    .option('-n, --no-stdin', 'do not forward stdin')
    .option('--json', 'print JSON on stdout, an event a line');
  return addHostOption(command);
}

export function parseAttach(args: readonly string[]): AttachOptions {
  const { flags, words } = parseWords<Flags>(createAttachCommand(), args);
  return {
    ...toHost(flags),
    exec: words[0] as string,
    from: flags.from ?? 'now',
    takes: flags.take ?? false,
    hasStdin: flags.stdin,
    isJson: flags.json ?? false,
  };
}

/** With JSON an error is an event, as all else is. */
export function findErrorForm(args: readonly string[]): ErrorForm | undefined {
  return findPlainForm(args) && toErrorEvent;
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  return runAttach(parseAttach(args), context);
}

async function runAttach(options: AttachOptions, context: Context): Promise<number> {
  const { from, takes, hasStdin, isJson } = options;
  const openForm = isJson ? (await import('../json/exec-form.ts')).openAttachedForm : openPlainForm;
  let hasOwner = true;
  return runPlan(
    {
      isNew: false,
      open: async (signal) => {
        const { transport, record } = await findExec(context, options, signal);
        hasOwner = !hasEnded(record);
        return { transport, opening: { attach: { id: record.id, from, ...(takes && { take: true }) } } };
      },
      isStreaming: true,
      hasStdin,
      openForm,
      isQuiet: isJson,
      onWatching: () => {
        if (isJson || !hasStdin || !hasOwner || context.closedDescriptors.has(0)) return;
        context.say(`watching: ${options.exec} has an owner; --take takes it over`);
      },
      toOwnError: (error) => toOwnError(error, options.exec),
    },
    context,
  );
}

const OWN_FAILURES: readonly ErrorCode[] = ['input_failed', 'output_failed'];

/** The table's words are about a command that we started. */
function toOwnError(error: unknown, exec: string): unknown {
  if (!(error instanceof SbxError) || !OWN_FAILURES.includes(error.code)) return error;
  return new SbxError(error.code, error.message, {
    cause: error,
    hint: `The exec itself goes on. Attach again with: sbx attach ${exec}`,
  });
}

function parseFrom(text: string): ReadFrom {
  if (text === 'start' || text === 'now') return text;
  const position = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(position)) return position;
  throw new SbxError('usage', `"${text}" is no place to begin`, {
    hint: 'Use --from start, --from now, or a position in bytes: --from 4096',
  });
}
