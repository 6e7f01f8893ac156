import { join } from 'node:path';
import type { OutputStream } from '../../protocol/events.ts';

/** A file with frames of one stream. Its name says where it begins, so that listing a directory gives the index. */
export interface Segment {
  readonly stream: OutputStream;
  readonly path: string;
  /** Of its first byte of output, in its stream and in both together. */
  readonly offset: number;
  readonly position: number;
  /** Bytes of the file that are whole frames. A reader never looks behind them, where a write may be under way. */
  size: number;
}

/** As many digits as the greatest offset has: names sort as their numbers do. */
const DIGITS = 16;
const NAME = /^(stdout|stderr)-(\d{16})-(\d{16})\.frames$/;

export type SegmentStart = Omit<Segment, 'path' | 'size'>;

export function createSegment(directory: string, { stream, offset, position }: SegmentStart): Segment {
  const [from, at] = [offset, position].map((number) => String(number).padStart(DIGITS, '0'));
  return { stream, path: join(directory, `${stream}-${from}-${at}.frames`), offset, position, size: 0 };
}

/** What a file's name says; undefined for a file that is no segment. */
export function parseSegmentName(directory: string, name: string): Segment | undefined {
  const [, stream, offset, position] = NAME.exec(name) ?? [];
  if (stream === undefined) return undefined;
  const start = { stream: stream as OutputStream, offset: Number(offset), position: Number(position) };
  return createSegment(directory, start);
}
