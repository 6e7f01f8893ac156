import { SbxError } from './errors.ts';

const PREFIXES = ['', 'k', 'm', 'g', 't'];

/**
 * Bytes of a size such as `500k`, `64MiB`, `1.5G` or `100`. As in GNU programs `M` and `MiB` are 1024 × 1024 bytes, and
 * `MB` is 1000 × 1000.
 * @throws SbxError `invalid_size`
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)(i?b|)$/i.exec(text);
  const [, number, prefix = '', ending = ''] = match ?? [];
  // "5iB" is nothing.
  if (number === undefined || (prefix === '' && ending.length === 2)) {
    throw new SbxError('invalid_size', `"${text}" is not a size`);
  }
  const base = ending.length === 1 ? 1000 : 1024;
  const bytes = Math.ceil(Number(number) * base ** PREFIXES.indexOf(prefix.toLowerCase()));
  if (!Number.isSafeInteger(bytes)) throw new SbxError('invalid_size', `"${text}" is too large`);
  return bytes;
}
