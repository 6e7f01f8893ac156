import { SbxError } from './errors.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The longest that a timer of Node can wait (a 32-bit count of milliseconds), 24.8 days. */
const LONGEST = 2 ** 31 - 1;

/**
 * Milliseconds of a duration such as `500ms`, `1.5s`, `5m`, `2h`, `7d`. There is no default unit.
 * @throws SbxError `invalid_duration`
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const value = match ? Number(match[1]) * (UNITS[match[2] as string] as number) : NaN;
  if (Number.isNaN(value)) throw new SbxError('invalid_duration', `"${text}" is not a duration`);
  if (value > LONGEST) throw new SbxError('invalid_duration', `"${text}" is too long: 24d is the most`);
  return Math.ceil(value);
}
