import { Command, Option } from 'commander';
import type { Transport } from '../../client/transport.ts';
import type { Network } from '../../protocol/api.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { SbxError } from '../../protocol/errors.ts';
import type { ServerAddress } from '../../client/server-address.ts';
import { listTypedOptions, splitExecArgv, type OptionShape } from '../argv.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import { runExec } from '../exec/run-exec.ts';
import { toErrorObject, type ErrorForm } from '../json/error-form.ts';
import { toErrorEvent, toFailedExec } from '../json/exec-error-form.ts';
import { reportError } from '../report-error.ts';
import { resolveEnvironment } from '../options/environment.ts';
import { addHostOption, type HostFlag } from '../options/host.ts';
import { addLastingOptions, toLasting, type Lasting, type LastingFlags } from '../options/lasting.ts';
import { parseWords } from '../options/parse-options.ts';
import { requireUtf8Arguments } from '../options/text-bytes.ts';
import { makeUuid } from '../uuid.ts';

/** `sbx exec` as it was typed, every value parsed. */
export interface ExecOptions {
  readonly sandbox: string | undefined;
  readonly argv: readonly string[];
  readonly isStreaming: boolean;
  readonly hasStdin: boolean;
  /** What is printed is JSON: an object, or with `isStreaming` an event a line. */
  readonly isJson: boolean;
  /** Our stdin is requests in JSON, a line each. */
  readonly hasJsonInput: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly user: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly killAfterMs: number | undefined;
  readonly lasting: Lasting;
  readonly isQuiet: boolean;
  readonly network: Network | undefined;
  readonly runtime: string | undefined;
  /** Undefined leaves the choice to `SBX_HOST`. */
  readonly host: ServerAddress | undefined;
}

interface Flags extends LastingFlags, HostFlag {
  interactive?: true;
  stdin: boolean;
  json?: true;
  env: string[];
  envFile: string[];
  workdir?: string;
  user?: string;
  timeout?: number;
  killAfter?: number;
  quiet?: true;
  network?: Network;
  runtime?: string;
}

const collect = (value: string, before: string[]): string[] => [...before, value];

export function createExecCommand(): Command {
  const command = new Command('exec')
    .summary('run a command in a sandbox')
    .description(
      'Runs COMMAND in SANDBOX, or in a fresh sandbox that is removed afterwards, as if it ran here: same bytes, same end, same exit status. Without --stream its output is printed whole when it has ended.',
    )
    .usage('[options] [SANDBOX] [--] COMMAND [ARG...]')
    .option('--stream', 'forward stdin and print output chunk by chunk, as it arrives')
    .option('-i, --interactive', 'the same as --stream')
    .option('-n, --no-stdin', "the command's stdin is /dev/null")
    .option(
      '--json',
      'print one JSON object at the end; with --stream, an event a line; with --detach, the id',
    )
    .option('--json-input', 'read requests from stdin, a JSON object a line (with --stream --json)')
    .option('-e, --env <K=V>', "set a variable; a bare K copies the caller's value", collect, [])
    .option('--env-file <file>', 'read variables from a file, a line each', collect, [])
    .option('-w, --workdir <dir>', 'working directory inside (default: /workspace)')
    .option('-u, --user <user[:group]>', 'user inside, names or numbers (default: root)')
    .option('--timeout <duration>', 'end the command after this time: exit status 124', parseDuration)
    .option('--kill-after <duration>', 'from TERM to KILL (default: 5s)', parseDuration);
  addLastingOptions(command)
    .addOption(
      new Option('--network <mode>', 'of the fresh sandbox (default: none)').choices(['none', 'host']),
    )
    .option('--runtime <name>', 'OCI runtime for the daemon to use: crun, runc or a path')
    .option('-q, --quiet', 'print no hints, errors only');
  return addHostOption(command);
}

/** @throws SbxError `usage` and its like */
export function parseExec(args: readonly string[], context: Context): ExecOptions {
  const command = createExecCommand();
  const split = splitExecArgv(args, toShapes(command));
  requireUtf8Arguments(args);
  const { flags } = parseWords<Flags>(command, split.options);
  if (split.command.length === 0) throw noCommand(split.sandbox);
  const lasting = toLasting(flags);
  requireJsonInputFits(flags);
  return {
    sandbox: split.sandbox,
    argv: split.command,
    isStreaming: flags.stream ?? flags.interactive ?? false,
    hasStdin: flags.stdin && (!flags.detach || flags.interactive === true),
    isJson: flags.json ?? false,
    hasJsonInput: flags.jsonInput ?? false,
    env: resolveEnvironment({ assignments: flags.env, files: flags.envFile }, context.env),
    cwd: flags.workdir,
    user: flags.user,
    timeoutMs: flags.timeout,
    killAfterMs: flags.killAfter,
    lasting,
    isQuiet: flags.quiet ?? false,
    network: flags.network,
    runtime: flags.runtime,
    host: flags.host,
  };
}

function toShapes(command: Command): OptionShape[] {
  const shapes = command.options.map(({ short, long, required, optional }) => {
    return { short, long, takesValue: required || optional };
  });
  return [...shapes, { short: '-h', long: '--help', takesValue: false }];
}

/** Of the words only those before COMMAND ask for anything of ours. */
export function findErrorForm(args: readonly string[]): ErrorForm | undefined {
  // The usual start does not pay for a second look at its words.
  if (!args.some((word) => word.startsWith('--json'))) return undefined;
  const typed = listTypedOptions(args, toShapes(createExecCommand()));
  if (!typed.has('--json')) return undefined;
  const isAny = (...names: string[]): boolean => names.some((name) => typed.has(name));
  if (isAny('--detach', '-d')) return toErrorObject;
  return isAny('--stream', '--interactive', '-i') ? toErrorEvent : toFailedExec;
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  return runExecCommand(parseExec(args, context), context);
}

/** Runs what was parsed; for every command that is an exec in the end. */
export async function runExecCommand(options: ExecOptions, context: Context): Promise<number> {
  const { isDetached } = options.lasting;
  const runOptions = isDetached ? (await import('../exec/run-detached.ts')).runDetached : runExec;
  const openTransport = (signal?: AbortSignal): Promise<Transport> => connect(context, options, signal);
  try {
    return await runOptions({ id: makeUuid(), ...options }, { context, openTransport });
  } catch (error) {
    // With JSON, what could be told on stdout of an exec that was followed has been told there.
    const told = isDetached ? context : { ...context, errorForm: undefined };
    return reportError(error, told, { hints: !options.isQuiet });
  }
}

function requireJsonInputFits(flags: Flags): void {
  if (!flags.jsonInput) return;
  const hint = 'Use: sbx exec --stream --json --json-input SANDBOX -- COMMAND';
  if (!flags.json || !(flags.stream ?? flags.interactive)) {
    throw new SbxError('usage', 'The option --json-input needs --stream and --json', { hint });
  }
  if (!flags.stdin)
    throw new SbxError('usage', 'The option --json-input cannot be used with --no-stdin', { hint });
}

function noCommand(sandbox: string | undefined): SbxError {
  if (sandbox === undefined)
    throw new SbxError('usage', 'No command is given', { hint: 'Use: sbx exec -- COMMAND' });
  return new SbxError('usage', `No command is given to run in sandbox "${sandbox}"`, {
    hint: `If ${sandbox} is the command, use: sbx exec -- ${sandbox}`,
  });
}
