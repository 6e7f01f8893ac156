import { parseDuration } from '../../protocol/duration.ts';
import { SbxError } from '../../protocol/errors.ts';

const TIME = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * Milliseconds since the epoch of a time in ISO 8601, or of a duration before `now`. A time without a zone is one of here.
 * @throws SbxError `usage`, `invalid_duration`
 */
export function parseSince(text: string, now: number): number {
  if (/^\d+(\.\d+)?[a-z]+$/.test(text)) return now - parseDuration(text);
  const time = TIME.test(text) && isDay(text) ? Date.parse(toLocal(text)) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new SbxError('usage', `"${text}" is neither a duration nor a time`, {
    hint: 'Use --since 5m or --since 2026-01-31T12:00:00Z',
  });
}

/** JavaScript would take the 31st of February for the 3rd of March. */
function isDay(text: string): boolean {
  const day = text.slice(0, 'YYYY-MM-DD'.length);
  const time = Date.parse(day);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
}

/** A day alone would be one in UTC for JavaScript. */
function toLocal(text: string): string {
  return text.length > 'YYYY-MM-DD'.length ? text : `${text}T00:00`;
}
