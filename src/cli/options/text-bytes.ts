import { readFileSync } from 'node:fs';
import { SbxError } from '../../protocol/errors.ts';

/**
 * Refuses arguments that are not UTF-8: Node has put U+FFFD in place of their bytes, and a runtime's JSON could not
 * carry them either.
 * @throws SbxError `invalid_text`
 */
export function requireUtf8Arguments(args: readonly string[]): void {
  // Only what contains U+FFFD can have been damaged, and it may well be meant.
  if (!args.some((arg) => arg.includes('\ufffd'))) return;
  const bad = splitAtNul(readFileSync('/proc/self/cmdline')).find((arg) => !isUtf8(arg));
  if (bad !== undefined) {
    throw new SbxError(
      'invalid_text',
      `An argument is not valid UTF-8: ${JSON.stringify(bad.toString('latin1'))}`,
    );
  }
}

/** The same for a variable of the caller's. @throws SbxError `invalid_text` */
export function requireUtf8Variable(name: string, value: string): void {
  if (!value.includes('\ufffd')) return;
  const own = splitAtNul(readFileSync('/proc/self/environ')).find((entry) => entry.indexOf(`${name}=`) === 0);
  if (own !== undefined && !isUtf8(own)) {
    throw new SbxError('invalid_text', `Cannot copy ${name}: its value is not valid UTF-8`);
  }
}

function splitAtNul(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0, start);
    parts.push(bytes.subarray(start, end === -1 ? bytes.length : end));
    start = end === -1 ? bytes.length : end + 1;
  }
  return parts;
}

export function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8')).equals(bytes);
}
