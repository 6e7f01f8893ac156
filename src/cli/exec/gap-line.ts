import type { Gap } from '../../client/output-lane.ts';

/** What is said on stderr where bytes are missing. */
export function toGapLine({ stream, from, to }: Gap): Buffer {
  return Buffer.from(`sbx: ${to - from} bytes of ${stream} were dropped here\n`);
}
