import type { OutputStream } from '../../protocol/events.ts';
import { OUTPUT_HEAD_BYTES } from '../../protocol/frames.ts';
import type { LogPiece } from './exec-log.ts';
import type { Segment } from './stored-segment.ts';

/** What is written to one segment in one go. */
export interface Part {
  readonly segment: Segment;
  readonly pieces: LogPiece[];
  /** In the file. */
  bytes: number;
}

export interface PlanOptions {
  /** Bytes of a file; a single frame may be larger. */
  readonly segmentBytes: number;
  /** The segment to which a stream is written now. */
  readonly current: (stream: OutputStream) => Segment | undefined;
  /** A new one, that begins with this piece. */
  readonly create: (piece: LogPiece) => Segment;
}

/**
 * Takes pieces from index `from` on, until one needs a second segment in its stream: a part for each stream, and the
 * index of the first piece that is left.
 */
export function planParts(
  pieces: readonly LogPiece[],
  from: number,
  { segmentBytes, current, create }: PlanOptions,
): { parts: Part[]; next: number } {
  const parts = new Map<OutputStream, Part>();
  let next = from;
  for (; next < pieces.length; next += 1) {
    const piece = pieces[next] as LogPiece;
    const bytes = OUTPUT_HEAD_BYTES + piece.bytes.length;
    const begun = parts.get(piece.stream);
    const segment = begun?.segment ?? current(piece.stream);
    const fits =
      segment !== undefined &&
      segment.size + (begun?.bytes ?? 0) + bytes <= segmentBytes &&
      // Few bytes beside many of the other stream are not kept and dropped in one with those from long before.
      piece.position - segment.position < segmentBytes;
    if (begun !== undefined && !fits) break;
    const part = begun ?? { segment: fits ? segment : create(piece), pieces: [], bytes: 0 };
    part.pieces.push(piece);
    part.bytes += bytes;
    parts.set(piece.stream, part);
  }
  return { parts: [...parts.values()], next };
}
