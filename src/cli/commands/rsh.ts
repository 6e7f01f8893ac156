import { Command } from 'commander';
import { SbxError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { showWholeUsage } from '../options/help-usage.ts';
import { NOT_LASTING } from '../options/lasting.ts';
import { requireUtf8Arguments } from '../options/text-bytes.ts';
import { toSentEnvironment } from '../rsh/sent-environment.ts';
import { toShellArgv } from '../rsh/shell-argv.ts';
import { parseSshArgv } from '../rsh/ssh-argv.ts';
import { runExecCommand, type ExecOptions } from './exec.ts';

/** What is to be run; undefined where a program only asks whether this is ssh. */
export type RshOptions = ExecOptions | undefined;

/** For help and the man page: ssh's own way of options is `parseSshArgv`'s. */
export function createRshCommand(): Command {
  return new Command('rsh')
    .summary('the remote shell of rsync, git, borg')
    .description(
      "Takes ssh's place for programs that reach another machine through it: joins the words and gives them to the shell of a sandbox. Streams, end and exit status are those of exec --stream.",
    )
    .usage('[options] [USER@]SANDBOX WORD...')
    .option('-l <user>', 'user inside, name or number (default: root)')
    .option('-o <name=value>', 'SendEnv, SetEnv, User and StdinNull as in ssh_config(5)')
    .option('-n', "the command's stdin is /dev/null")
    .option('-G', 'print nothing, start nothing, exit with 0')
    .option('-T', 'nothing, as -p PORT, -x, -q and the like: there is no connection');
}

/** @throws SbxError `usage`, `invalid_text` */
export function parseRsh(args: readonly string[], context: Context): RshOptions {
  requireUtf8Arguments(args);
  const { isProbe, host, user, hasStdin, words, ...env } = parseSshArgv(args);
  if (isProbe) return undefined;
  if (words.join(' ') === '') throw noCommand(host);
  return {
    sandbox: host,
    argv: toShellArgv(words),
    isStreaming: true,
    hasStdin,
    isJson: false,
    hasJsonInput: false,
    env: toSentEnvironment(env, context.env),
    cwd: undefined,
    user,
    timeoutMs: undefined,
    killAfterMs: undefined,
    lasting: NOT_LASTING,
    isQuiet: false,
    network: undefined,
    runtime: undefined,
    host: undefined,
  };
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  if (args[0] === '--help' || args[0] === '-h') {
    await context.print(showWholeUsage(createRshCommand()).helpInformation());
    return 0;
  }
  const options = parseRsh(args, context);
  return options === undefined ? 0 : runExecCommand(options, context);
}

/** The words are ssh's, and those of the command. */
export function findErrorForm(): undefined {
  return undefined;
}

/** ssh would open a login shell on a terminal. */
function noCommand(host: string): SbxError {
  return new SbxError(
    'usage',
    `No command is given to run in sandbox "${host}", and there is no login shell`,
    {
      hint: `For a shell that reads commands from stdin, use: sbx exec --stream ${host} -- sh`,
    },
  );
}
