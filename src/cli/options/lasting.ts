import { Option, type Command } from 'commander';
import { MIN_LOG_BYTES, type StartExecRequest } from '../../protocol/api.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { SbxError } from '../../protocol/errors.ts';
import { parseSize } from '../../protocol/size.ts';

/** What of an exec outlives the connection that started it. */
export interface Lasting {
  readonly isDetached: boolean;
  /** Keep the output in a log also of an exec that is not detached. */
  readonly hasLog: boolean;
  readonly logBytes: number | undefined;
  readonly graceMs: number | undefined;
  readonly onDisconnect: StartExecRequest['on_disconnect'];
}

export const NOT_LASTING: Lasting = {
  isDetached: false,
  hasLog: false,
  logBytes: undefined,
  graceMs: undefined,
  onDisconnect: undefined,
};

export interface LastingFlags {
  detach?: true;
  log?: true;
  logSize?: number;
  reconnectGrace?: number;
  onDisconnect?: 'kill' | 'keep';
  stream?: true;
  jsonInput?: true;
}

export function addLastingOptions(command: Command): Command {
  return command
    .option('-d, --detach', 'start it, print its id, and return; with -i its stdin waits for sbx attach')
    .option('--log', 'keep the output for sbx logs, as --detach does')
    .option(
      '--log-size <size>',
      'the most that is kept of it; the oldest goes first (default: 64MiB)',
      parseLogSize,
    )
    .option(
      '--reconnect-grace <duration>',
      'how long a connection that was cut may take to come back (default: 2s, over TCP 60s)',
      parseDuration,
    )
    .addOption(
      new Option(
        '--on-disconnect <what>',
        'end the command after that, or let it go on (default: kill)',
      ).choices(['kill', 'keep']),
    );
}

/** @throws SbxError `usage` for options that contradict each other */
export function toLasting(flags: LastingFlags): Lasting {
  const { detach = false, log = false, logSize, reconnectGrace, onDisconnect } = flags;
  if (detach) refuseWithDetach(flags);
  else if (logSize !== undefined && !log) {
    throw new SbxError('usage', 'The option --log-size needs --log or --detach', {
      hint: 'Without one of them no output is kept',
    });
  }
  return { isDetached: detach, hasLog: log, logBytes: logSize, graceMs: reconnectGrace, onDisconnect };
}

function refuseWithDetach({ stream, jsonInput, reconnectGrace, onDisconnect }: LastingFlags): void {
  if (stream || jsonInput) {
    const option = stream ? '--stream' : '--json-input';
    throw new SbxError('usage', `The option --detach cannot be used with ${option}`, {
      hint: 'For a command whose stdin waits for sbx attach, use: sbx exec -d -i',
    });
  }
  const name = reconnectGrace !== undefined ? '--reconnect-grace' : '--on-disconnect';
  if (reconnectGrace !== undefined || onDisconnect !== undefined) {
    throw new SbxError('usage', `The option --detach cannot be used with ${name}`, {
      hint: 'A detached exec waits for nobody: it goes on',
    });
  }
}

function parseLogSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes >= MIN_LOG_BYTES) return bytes;
  throw new SbxError(
    'invalid_size',
    `"${text}" is too small for a log: ${MIN_LOG_BYTES / 1024}KiB is the least`,
  );
}
