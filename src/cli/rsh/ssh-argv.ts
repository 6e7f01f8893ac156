import { SbxError } from '../../protocol/errors.ts';
import { parseSetting, type SshSettings } from './ssh-settings.ts';

/** What a program asks of its remote shell. */
export interface SshInvocation {
  /** `-G`: is this ssh? Nothing is to be started. */
  readonly isProbe: boolean;
  readonly host: string;
  readonly user: string | undefined;
  readonly hasStdin: boolean;
  /** Names of variables to pass where they are set; `*` and `?` stand for what they do in a shell. */
  readonly sendEnv: readonly string[];
  readonly setEnv: Readonly<Record<string, string>>;
  /** The command, not joined yet. */
  readonly words: readonly string[];
}

/** Letters of ssh's that decide how a connection is made, and there is none; those of the second line take a value. */
const MEANINGLESS = '1246aCgkMqTvxy';
const MEANINGLESS_WITH_VALUE = 'bBceEFiImpPS';

/** Letters of ssh's that ask for what a sandbox does not have: who gives one counts on it. */
const REFUSED: Readonly<Record<string, string>> = {
  A: 'no agent is forwarded',
  D: 'no port is forwarded',
  f: 'it stays in the foreground',
  J: 'there is nothing to jump over',
  K: 'no credentials are forwarded',
  L: 'no port is forwarded',
  N: 'a command is needed',
  O: 'no connection is shared',
  Q: 'there are no algorithms to list',
  R: 'no port is forwarded',
  s: 'there are no subsystems',
  t: 'there is no terminal',
  V: 'it is not ssh',
  w: 'there is no tunnel',
  W: 'no port is forwarded',
  X: 'X11 is not forwarded',
  Y: 'X11 is not forwarded',
};

interface Options extends SshSettings {
  isProbe: boolean;
}

/**
 * Parses `[options] [USER@]SANDBOX [options] [--] [WORD...]` as ssh does: options in clusters, up to the first word of
 * the command, and of two users the first.
 * @throws SbxError `usage`
 */
export function parseSshArgv(args: readonly string[]): SshInvocation {
  const options: Options = { isProbe: false, user: undefined, hasStdin: true, sendEnv: [], setEnv: {} };
  const before = takeOptions(args, options);
  const [destination, ...after] = before.rest;
  if (destination === undefined)
    throw usage('No sandbox is named', 'Use: sbx rsh [options] [USER@]SANDBOX WORD...');
  const { user, host } = parseDestination(destination);
  options.user ??= user;
  const words = before.isTerminated ? after : takeOptions(after, options).rest;
  return { ...options, host, words };
}

interface Taken {
  readonly rest: readonly string[];
  /** By `--`: no option follows, wherever. */
  readonly isTerminated: boolean;
}

function takeOptions(args: readonly string[], options: Options): Taken {
  let index = 0;
  for (let word = args[0]; word?.startsWith('-') === true && word !== '-'; word = args[index]) {
    index += 1;
    if (word === '--') return { rest: args.slice(index), isTerminated: true };
    if (takeCluster(word, args[index], options)) index += 1;
  }
  return { rest: args.slice(index), isTerminated: false };
}

/** `-Tp22` is two options, the second with its value. Gives whether `next` was a value. */
function takeCluster(word: string, next: string | undefined, options: Options): boolean {
  if (word.startsWith('--')) throw usage(`There is no option ${word}`);
  const letters = Array.from(word.slice(1));
  for (const [index, letter] of letters.entries()) {
    const refusal = REFUSED[letter];
    if (refusal !== undefined) throw usage(`Cannot honour the option -${letter} of ssh: ${refusal}`);
    if (takesValue(letter)) {
      const own = letters.slice(index + 1).join('');
      const value = own === '' ? next : own;
      if (value === undefined || value === '') throw usage(`The option -${letter} needs a value`);
      takeValue(letter, value, options);
      return own === '';
    }
    if (letter === 'G') options.isProbe = true;
    else if (letter === 'n') options.hasStdin = false;
    else if (!MEANINGLESS.includes(letter))
      throw usage(`There is no option -${letter}${letters.length === 1 ? '' : ` in ${word}`}`);
  }
  return false;
}

function takesValue(letter: string): boolean {
  return letter === 'l' || letter === 'o' || MEANINGLESS_WITH_VALUE.includes(letter);
}

function takeValue(letter: string, value: string, options: Options): void {
  if (letter === 'l') options.user ??= value;
  else if (letter === 'o') parseSetting(value, options);
}

/** A user may have an @ in its name, a sandbox has none. */
function parseDestination(text: string): { user: string | undefined; host: string } {
  const at = text.lastIndexOf('@');
  if (at === 0) throw usage(`"${text}" names no user before its @`);
  const host = text.slice(at + 1);
  if (host === '') throw usage(`"${text}" names no sandbox`);
  return { user: at === -1 ? undefined : text.slice(0, at), host };
}

function usage(message: string, hint = 'See: sbx rsh --help'): SbxError {
  return new SbxError('usage', message, { hint });
}
