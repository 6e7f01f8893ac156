import { isAscii, isUtf8 } from 'node:buffer';
import { escapeNonAscii } from './ascii-json.ts';

/** The JSON member that carries bytes: `"text":"…"` where they are valid UTF-8 by themselves, else `"base64":"…"`. */
export function formatBytes(bytes: Buffer): string {
  if (!isUtf8(bytes)) return `"base64":"${bytes.toString('base64')}"`;
  return `"text":"${escapeText(bytes)}"`;
}

/** Valid UTF-8 as what stands between the quotes of a JSON string. */
export function escapeText(bytes: Buffer): string {
  const quoted = isAscii(bytes)
    ? JSON.stringify(bytes.toString('latin1'))
    : JSON.stringify(bytes.toString('utf8'));
  return escapeNonAscii(quoted).slice(1, -1);
}
