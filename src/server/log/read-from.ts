import type { ReadFrom } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type StreamBytes } from '../../protocol/events.ts';

/** What there is to read of an exec, for somebody who wants to begin. */
export interface Readable {
  readonly visible: StreamBytes;
  /** The offsets of a reader that has seen everything before `position`; undefined where some of that is gone. */
  offsetsAt(position: number): Promise<StreamBytes | undefined>;
}

const START: StreamBytes = { stdout: 0, stderr: 0 };

/**
 * The offsets at which a reader begins. What is gone of `start` and of offsets is told by a gap.
 * @throws SbxError `position_expired`, `position_beyond_end`
 */
export async function resolveFrom(readable: Readable, from: ReadFrom): Promise<StreamBytes> {
  const { visible } = readable;
  if (from === 'start') return START;
  if (from === 'now') return { ...visible };
  if (typeof from !== 'number') {
    for (const stream of OUTPUT_STREAMS) requireWithin(from[stream], visible[stream], `byte of ${stream}`);
    return from;
  }
  requireWithin(from, visible.stdout + visible.stderr, 'position');
  const offsets = await readable.offsetsAt(from);
  if (offsets === undefined) {
    throw new SbxError('position_expired', `Cannot read from position ${from}: what follows it is not kept`);
  }
  return offsets;
}

/** Nobody has what was not shown. @throws SbxError `invalid_argument` */
export function requireShown({ visible }: Pick<Readable, 'visible'>, offsets: Partial<StreamBytes>): void {
  for (const stream of OUTPUT_STREAMS) {
    const [offset = 0, end] = [offsets[stream], visible[stream]];
    if (offset <= end) continue;
    const why = `Cannot acknowledge ${stream} up to ${offset}: it has ${end} bytes`;
    throw new SbxError('invalid_argument', why);
  }
}

function requireWithin(wanted: number, end: number, what: string): void {
  if (wanted <= end) return;
  throw new SbxError('position_beyond_end', `Cannot read from ${what} ${wanted}: the end is at ${end}`);
}
