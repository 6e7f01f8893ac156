import { isUtf8 } from 'node:buffer';
import { escapeText } from './byte-text.ts';
import { countBeyondTriples, countCutCharacter, regroup } from './regroup.ts';

/**
 * A whole stream, in pieces, as the JSON member that carries it: `"text":"…"` where all of it is valid UTF-8, else
 * `"base64":"…"`. `read` gives the bytes from their beginning each time it is called; each chunk is valid until the next.
 */
export function* formatStream(read: () => Iterable<Buffer>): Generator<string, void> {
  const isText = isWholeText(read());
  yield isText ? '"text":"' : '"base64":"';
  if (isText) {
    for (const bytes of regroup(read(), countCutCharacter)) yield escapeText(bytes);
  } else {
    for (const bytes of regroup(read(), countBeyondTriples)) yield bytes.toString('base64');
  }
  yield '"';
}

function isWholeText(chunks: Iterable<Buffer>): boolean {
  for (const bytes of regroup(chunks, countCutCharacter)) {
    if (!isUtf8(bytes)) return false;
  }
  return true;
}
