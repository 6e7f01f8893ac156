import type { Gap } from '../../client/output-lane.ts';
import type { OutputEvent, OutputStream } from '../../protocol/events.ts';
import { formatJsonLine } from './ascii-json.ts';
import { formatBytes } from './byte-text.ts';

/** Bytes of a stream as a line of JSON; not built by way of an object, because they may be many. */
export function formatOutputEvent(
  stream: OutputStream,
  { offset, time, bytes }: Pick<OutputEvent, 'offset' | 'time' | 'bytes'>,
): string {
  return `{"event":"${stream}","offset":${offset},"time":${time},${formatBytes(bytes)}}\n`;
}

/** Bytes that are kept nowhere any more, as a line of JSON. */
export function formatGapEvent({ stream, from, to }: Gap): string {
  return formatJsonLine({ event: 'gap', stream, from, to });
}
