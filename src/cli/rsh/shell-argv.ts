/** MAX_ARG_STRLEN of the kernel: one argument with its NUL, in bytes. */
const LONGEST_ARGUMENT = 128 * 1024;
/** In UTF-16 code units, of which none is more than 3 bytes of UTF-8. */
const PIECE = 32 * 1024;

/**
 * What runs the words of a remote shell: joined by spaces, as ssh does, and read by `sh`. A string that is too long for
 * one argument goes in as several, which the shell puts together again: stdin belongs to the command, and a file would
 * need room, a directory that the user may write to, and someone to remove it.
 */
export function toShellArgv(words: readonly string[]): string[] {
  const script = words.join(' ');
  if (Buffer.byteLength(script) < LONGEST_ARGUMENT) return ['sh', '-c', script];
  const pieces = cutIntoPieces(script);
  const joined = pieces.map((_, index) => `\${${index + 1}}`).join('');
  // The pieces are no arguments of the script's: they are gone when it begins.
  return ['sh', '-c', `eval "shift ${pieces.length}; ${joined}"`, 'sh', ...pieces];
}

function cutIntoPieces(text: string): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length;) {
    const end = start + PIECE;
    // A character beyond U+FFFF is two code units, and stays whole.
    const isInside = (text.codePointAt(end - 1) ?? 0) > 0xffff;
    pieces.push(text.slice(start, isInside ? end - 1 : end));
    start = isInside ? end - 1 : end;
  }
  return pieces;
}
