/** What can stand in a shell's command line as it is. */
const PLAIN = /^[\w@%+=:,./-]+$/;
/** What a terminal would not show as it is: control and format characters, and separators of lines. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\u001b': '\\e' };

/** A command as a shell would take it, in one line of at most `longest` characters, the last of which is … if it is cut. */
export function formatCommandWords(argv: readonly string[], longest: number): string {
  const shown: string[] = [];
  let length = 0;
  for (const word of argv) {
    // A word may have megabytes: what would be cut anyway is not quoted.
    const quoted = quoteWord(word.slice(0, 2 * longest + 1));
    shown.push(quoted);
    length += quoted.length;
    if (length > 2 * longest) break;
  }
  const characters = Array.from(shown.join(' '));
  return characters.length <= longest && shown.length === argv.length
    ? characters.join('')
    : `${characters.slice(0, longest - 1).join('')}…`;
}

/** One word, in quotes where a shell needs them; hidden characters in the escapes of bash. */
function quoteWord(word: string): string {
  if (HIDDEN.test(word)) return `$'${Array.from(word, escape).join('')}'`;
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function escape(character: string): string {
  if (character === "'" || character === '\\') return `\\${character}`;
  if (!HIDDEN.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  if (NAMED[character] !== undefined) return NAMED[character];
  if (code <= 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff
    ? `\\u${code.toString(16).padStart(4, '0')}`
    : `\\U${code.toString(16).padStart(8, '0')}`;
}
