/** Whether a name is meant by a pattern of ssh's, in which `*` stands for any text and `?` for one character. */
export function matchesPattern(name: string, pattern: string): boolean {
  const source = pattern.replaceAll(/[^*?]/gu, escapeCharacter).replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'su').test(name);
}

function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
