import { SbxError } from '../protocol/errors.ts';

/** What the splitter has to know of an option: its flags, and whether a value follows. */
export interface OptionShape {
  readonly short?: string | undefined;
  readonly long?: string | undefined;
  readonly takesValue: boolean;
}

export interface SplitArgv {
  /** Options with their values, for the option parser. */
  readonly options: string[];
  readonly sandbox: string | undefined;
  /** The child's argv, verbatim. */
  readonly command: string[];
}

/**
 * Splits `[options] [SANDBOX] [options] [--] COMMAND [ARG...]`. Options stand up to `--` or the first word of COMMAND;
 * what follows is the child's. A `--` before any other word means that no sandbox is named.
 * @throws SbxError `usage` for an unknown option, or one without its value
 */
export function splitExecArgv(args: readonly string[], shapes: readonly OptionShape[]): SplitArgv {
  const options: string[] = [];
  let sandbox: string | undefined;
  let index = 0;
  while (index < args.length) {
    const word = args[index] as string;
    if (word === '--') return { options, sandbox, command: args.slice(index + 1) };
    if (word.startsWith('-') && word !== '-') {
      const length = countWords(word, args.slice(index + 1), shapes);
      options.push(...args.slice(index, index + length));
      index += length;
    } else if (sandbox === undefined) {
      sandbox = word;
      index += 1;
    } else break;
  }
  return { options, sandbox, command: args.slice(index) };
}

/**
 * The options that stand before COMMAND, by the names they were typed with (`--json`, `-i`), also where some of them are
 * wrong: to know in which form that is to be told.
 */
export function listTypedOptions(args: readonly string[], shapes: readonly OptionShape[]): Set<string> {
  const names = new Set<string>();
  let hasSandbox = false;
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] as string;
    if (word === '--') break;
    if (word.startsWith('-') && word !== '-') {
      for (const name of toNames(word, shapes)) names.add(name);
      if (takesNext(word, shapes)) index += 1;
    } else if (hasSandbox) break;
    else hasSandbox = true;
  }
  return names;
}

/** `-nq` is `-n` and `-q`; of `-eK=V` the rest is the value. */
function toNames(word: string, shapes: readonly OptionShape[]): string[] {
  if (word.startsWith('--')) return [word.split('=', 1)[0] as string];
  const names = Array.from(word.slice(1), (letter) => `-${letter}`);
  const last = names.findIndex((name) =>
    shapes.some(({ short, takesValue }) => short === name && takesValue),
  );
  return last === -1 ? names : names.slice(0, last + 1);
}

function takesNext(word: string, shapes: readonly OptionShape[]): boolean {
  try {
    return word.startsWith('--') ? longNeedsNext(word, shapes) : shortsNeedNext(word, shapes);
  } catch {
    return false;
  }
}

/** 1 for an option that is complete, 2 for one whose value is the next word. */
function countWords(word: string, rest: readonly string[], shapes: readonly OptionShape[]): 1 | 2 {
  const needsNext = word.startsWith('--') ? longNeedsNext(word, shapes) : shortsNeedNext(word, shapes);
  if (!needsNext) return 1;
  if (rest.length === 0) throw new SbxError('usage', `The option ${word} needs a value`);
  return 2;
}

function longNeedsNext(word: string, shapes: readonly OptionShape[]): boolean {
  const [name] = word.split('=', 1);
  const shape = shapes.find(({ long }) => long === name);
  if (shape === undefined) throw unknownOption(word);
  if (!shape.takesValue && word.includes('='))
    throw new SbxError('usage', `The option ${name} takes no value`);
  return shape.takesValue && !word.includes('=');
}

/** `-nq` is two options; of `-eK=V` the rest is the value. */
function shortsNeedNext(word: string, shapes: readonly OptionShape[]): boolean {
  const letters = Array.from(word.slice(1));
  for (const [index, letter] of letters.entries()) {
    const shape = shapes.find(({ short }) => short === `-${letter}`);
    if (shape === undefined) throw unknownOption(letters.length === 1 ? word : `-${letter} in ${word}`);
    if (shape.takesValue) return index === letters.length - 1;
  }
  return false;
}

function unknownOption(word: string): SbxError {
  return new SbxError('usage', `There is no option ${word}`, {
    hint: 'Options of the command itself come after it or after --. See: sbx exec --help',
  });
}
