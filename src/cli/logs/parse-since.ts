import { parseDuration } from '../../protocol/duration.ts';
import { SbxError } from '../../protocol/errors.ts';

const TIME = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * Milliseconds since the epoch of a time in ISO 8601, or of a duration before `now`. A time without a zone is one of here.
 * @throws SbxError `usage`, `invalid_duration`
 */
export function parseSince(text: string, now: number): number {
  if (/^\d+(\.\d+)?[a-z]+$/.test(text)) return now - parseDuration(text);
  const time = TIME.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new SbxError('usage', `"${text}" is neither a duration nor a time`, {
    hint: 'Use --since 5m or --since 2026-01-31T12:00:00Z',
  });
}
