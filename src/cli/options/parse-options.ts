import { CommanderError, type Command } from 'commander';
import { SbxError } from '../../protocol/errors.ts';
import { showWholeUsage } from './help-usage.ts';

/** What the words of a command line left after its options. */
export interface ParsedWords<Flags> {
  readonly flags: Flags;
  readonly words: readonly string[];
}

/** @throws SbxError `usage`, and whatever the options' own parsers throw */
export function parseWords<Flags extends object>(
  command: Command,
  args: readonly string[],
): ParsedWords<Flags> {
  showWholeUsage(command)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    throw toUsageError(error, command);
  }
  return { flags: command.opts<Flags>(), words: command.args };
}

/** Commander's own words, in our form; `--help` is no error and is passed on. */
function toUsageError(error: unknown, command: Command): unknown {
  if (!(error instanceof CommanderError) || error.exitCode === 0) return error;
  const message = error.message.replace(/^error: /, '').replace(/^./, (first) => first.toUpperCase());
  return new SbxError('usage', message, { hint: `See: sbx ${command.name()} --help` });
}
