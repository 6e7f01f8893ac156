import { ExecSession } from '../../client/exec-session.ts';
import type { Transport } from '../../client/transport.ts';
import type { ExecEvent, OutputStream, StreamBytes } from '../../protocol/events.ts';
import { makeUuid } from '../uuid.ts';
import { LogEnd } from './log-end.ts';
import { SinceFilter } from './since-filter.ts';
import { TailCounter } from './tail-counter.ts';

export interface TailOptions {
  readonly transport: Transport;
  /** Of the exec. */
  readonly id: string;
  readonly lines: number;
  /** Only lines that came at this time or later, in milliseconds since the epoch. */
  readonly since: number | undefined;
  /** The streams whose lines count. */
  readonly streams: readonly OutputStream[];
  readonly signal: AbortSignal;
}

/** Reads what is kept of an exec's output, and finds where its last lines begin. */
export async function findTail(options: TailOptions): Promise<StreamBytes> {
  const { transport, id, lines, since, streams, signal } = options;
  const counter = new TailCounter(lines);
  const filters = { stdout: new SinceFilter(since ?? 0), stderr: new SinceFilter(since ?? 0) };
  const end = new LogEnd();
  let onReached: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    onReached = resolve;
  });
  const take = (event: ExecEvent): void => {
    end.take(event);
    if (event.type === 'gap') {
      counter.skip(event.stream);
      filters[event.stream].skip();
    } else if ((event.type === 'stdout' || event.type === 'stderr') && streams.includes(event.type)) {
      const shown = filters[event.type].take(event.bytes, event.time);
      counter.take(event.type, event.offset + shown.byteOffset - event.bytes.byteOffset, shown);
    }
    if (end.isReached) onReached();
  };
  const session = new ExecSession({
    transport,
    opening: { attach: { id, watch: true, from: 'start' } },
    client: makeUuid(),
    stdout: discard,
    stderr: discard,
    onEvent: take,
    onGap: (_gap, told) => {
      told();
    },
  });
  const close = (): void => {
    session.close();
  };
  signal.addEventListener('abort', close);
  try {
    signal.throwIfAborted();
    await Promise.race([session.run(), reached]);
  } catch (error) {
    if (!end.hasEnded) throw error;
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
  return counter.toOffsets(end.seen);
}

function discard(_chunk: Buffer, written: () => void): void {
  written();
}
