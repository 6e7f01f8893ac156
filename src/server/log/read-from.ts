import type { ReadFrom } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type StreamBytes } from '../../protocol/events.ts';

/** What there is to read of an exec, for somebody who wants to begin. */
export interface Readable {
  /** Where it ends for now, as offsets in each stream. */
  readonly end: StreamBytes;
  /** The offsets of a reader that has seen everything before `position`; undefined where some of that is gone. */
  offsetsAt(position: number): Promise<StreamBytes | undefined>;
}

const START: StreamBytes = { stdout: 0, stderr: 0 };

/**
 * The offsets at which a reader begins. What is gone of `start` and of offsets is told by a gap.
 * @throws SbxError `position_expired`, `position_beyond_end`
 */
export async function resolveFrom(readable: Readable, from: ReadFrom): Promise<StreamBytes> {
  const { end } = readable;
  if (from === 'start') return START;
  if (from === 'now') return { ...end };
  if (typeof from !== 'number') {
    for (const stream of OUTPUT_STREAMS) requireWithin(from[stream], end[stream], `byte of ${stream}`);
    return from;
  }
  requireWithin(from, end.stdout + end.stderr, 'position');
  const offsets = await readable.offsetsAt(from);
  if (offsets === undefined) {
    throw new SbxError('position_expired', `Cannot read from position ${from}: what follows it is not kept`);
  }
  return offsets;
}

/** Nobody has what was not shown. @throws SbxError `invalid_argument` */
export function requireShown(end: StreamBytes, offsets: Partial<StreamBytes>): void {
  for (const stream of OUTPUT_STREAMS) {
    const [offset = 0, most] = [offsets[stream], end[stream]];
    if (offset <= most) continue;
    const why = `Cannot acknowledge ${stream} up to ${offset}: it has ${most} bytes`;
    throw new SbxError('invalid_argument', why);
  }
}

function requireWithin(wanted: number, end: number, what: string): void {
  if (wanted <= end) return;
  throw new SbxError('position_beyond_end', `Cannot read from ${what} ${wanted}: the end is at ${end}`);
}
