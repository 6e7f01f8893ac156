import type { GapEvent } from '../../protocol/events.ts';

/** What is said on stderr where bytes are missing. */
export function toGapLine({ stream, from, to }: Pick<GapEvent, 'stream' | 'from' | 'to'>): Buffer {
  return Buffer.from(`sbx: ${to - from} bytes of ${stream} were dropped here\n`);
}
