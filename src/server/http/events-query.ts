import type { AttachRequest, ReadFrom } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';

/** The query of an event stream, as the schema has checked it. */
export interface EventsQuery {
  readonly client?: string;
  readonly from?: string;
  /** Offsets, in place of `from`. */
  readonly stdout?: string;
  readonly stderr?: string;
  readonly take?: '1';
  readonly watch?: '1';
  readonly output?: '0';
  /** Of each stream. */
  readonly window?: string;
  readonly reconnect_grace_ms?: string;
  readonly heartbeat_ms?: string;
}

/**
 * An attachment as a query says it, whose numbers may be any. `lastEventId` is what an EventSource sends that has lost its connection.
 * @throws SbxError `invalid_argument`
 */
export function parseEventsQuery(
  id: string,
  query: EventsQuery,
  lastEventId: string | string[] | undefined,
): AttachRequest {
  const { client, take, watch, output, window, reconnect_grace_ms: grace, heartbeat_ms: heartbeat } = query;
  const size = window === undefined ? undefined : Number(window);
  return {
    id,
    from: parseFrom(query, lastEventId),
    ...(client !== undefined && { client }),
    ...(take && { take: true }),
    ...(watch && { watch: true }),
    ...(output && { output: false }),
    ...(size !== undefined && { window: { stdout: size, stderr: size } }),
    ...(grace !== undefined && { reconnect_grace_ms: Number(grace) }),
    ...(heartbeat !== undefined && { heartbeat_ms: Number(heartbeat) }),
  };
}

/** Without a word about it a reader sees all that is kept. */
function parseFrom({ from, stdout, stderr }: EventsQuery, lastEventId: unknown): ReadFrom {
  if (typeof lastEventId === 'string' && lastEventId !== '') return parsePosition(lastEventId);
  if (stdout !== undefined || stderr !== undefined) {
    return { stdout: Number(stdout ?? 0), stderr: Number(stderr ?? 0) };
  }
  return from === undefined || from === 'start' ? 'start' : from === 'now' ? 'now' : parsePosition(from);
}

function parsePosition(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new SbxError('invalid_argument', `"${text}" is not the id of an event`);
}
