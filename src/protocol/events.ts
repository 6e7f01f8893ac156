import { parseErrorBody, SbxError, type ErrorBody } from './errors.ts';
import { toSignalNumber, type Exit, type ExitReason, type ExitRecord } from './exit.ts';
import { formatPayload, parsePayload } from './payload.ts';
import type { SseEvent } from './sse.ts';

export type OutputStream = 'stdout' | 'stderr';
export const OUTPUT_STREAMS = ['stdout', 'stderr'] as const;

/** Bytes of each stream; also absolute offsets into them. */
export type StreamBytes = Readonly<Record<OutputStream, number>>;

/** The first event of every stream: which server this is. Another instance does not know this one's execs. */
export interface HelloEvent {
  readonly type: 'hello';
  readonly instance: string;
  readonly protocol: number;
  readonly version: string;
}

/** Follows `hello` where somebody attached: whom the server takes the reader for, and where the stream begins. */
export interface AttachedEvent {
  readonly type: 'attached';
  readonly exec: string;
  readonly sandbox: string;
  /** This reader feeds stdin and holds the child back. */
  readonly owner: boolean;
  /** Offsets of the first bytes that will come, or of those that a `gap` will say are gone. */
  readonly from: StreamBytes;
  /** Offsets up to which there is something to read already. */
  readonly written: StreamBytes;
  /** The number of this client's last signal that was taken. */
  readonly signals: number;
  /**
   * The offset up to which stdin came from this client, where it was the owner client and another has become it since:
   * what is accepted beyond that came from others. Missing as soon as this client has sent more, and after the end.
   */
  readonly fed?: number;
}

/** The command runs. `time` in milliseconds since the epoch. */
export interface StartedEvent {
  readonly type: 'started';
  readonly exec: string;
  readonly sandbox: string;
  readonly time: number;
}

/** Bytes of the child. `position` counts both streams and is that after the last byte; `offset` is that of the first in its own. */
export interface OutputEvent {
  readonly type: OutputStream;
  readonly position: number;
  readonly offset: number;
  readonly time: number;
  readonly bytes: Buffer;
}

/** How many bytes of stdin the server has taken, how far it may be sent, and whether the child can still read any. */
export interface StdinEvent {
  readonly type: 'stdin';
  readonly accepted: number;
  /** An absolute offset: no byte from it on may be sent yet. */
  readonly limit: number;
  readonly closed: boolean;
  /** The offset of the body whose head has just come: what stands between streams bodies, and does not collect them. */
  readonly body?: number;
}

/** The reader is not the owner client any more: another has taken the exec over. */
export interface TakenEvent {
  readonly type: 'taken';
}

export interface HeartbeatEvent {
  readonly type: 'heartbeat';
}

/** A watcher fell behind: the bytes from offset `from` up to `to` are not sent. */
export interface GapEvent {
  readonly type: 'gap';
  readonly stream: OutputStream;
  readonly from: number;
  readonly to: number;
}

/** Terminal: the command ended. `bytes` are all that its streams gave, but for the streams in `closed`. */
export interface ExitEvent extends ExitRecord {
  readonly type: 'exit';
  readonly bytes: StreamBytes;
  /** Streams that the client asked to close. */
  readonly closed: readonly OutputStream[];
  /** A process of the command still held a stream when the drain time was over. */
  readonly drain_truncated: boolean;
  readonly duration_ms: number;
}

/** Terminal: the command did not start, or its end is not known. */
export interface ErrorEvent {
  readonly type: 'error';
  readonly error: ErrorBody;
}

export type TerminalEvent = ExitEvent | ErrorEvent;

export type ExecEvent =
  | HelloEvent
  | AttachedEvent
  | TakenEvent
  | StartedEvent
  | OutputEvent
  | StdinEvent
  | HeartbeatEvent
  | GapEvent
  | TerminalEvent;

/** The most bytes of output that one event carries: in base64 its line stays below 60,000 bytes. */
export const MAX_EVENT_BYTES = 32 * 1024;

/** An event without output, as it stands in the stream. */
export function formatEvent(event: Exclude<ExecEvent, OutputEvent>): string {
  const { type, ...fields } = event;
  return `event: ${type}\ndata: ${toAscii(JSON.stringify(fields))}\n\n`;
}

/**
 * Output as it stands in the stream; `bytes` are at most {@link MAX_EVENT_BYTES}. Without an id, which is where an
 * EventSource comes back, the position stands among the data.
 */
export function formatOutputEvent(
  { type, position, offset, time, bytes }: OutputEvent,
  hasId = true,
): string {
  const [id, more] = hasId ? [`id: ${position}\n`, ''] : ['', `"position":${position},`];
  return `${id}event: ${type}\ndata: {"offset":${offset},"time":${time},${more}${formatPayload(bytes)}}\n\n`;
}

function toAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

type Fields = Record<string, unknown>;

const PARSERS: Readonly<Record<string, (fields: Fields) => Exclude<ExecEvent, OutputEvent>>> = {
  hello: (fields) => ({
    type: 'hello',
    instance: textOf(fields, 'instance'),
    protocol: countOf(fields, 'protocol'),
    version: textOf(fields, 'version'),
  }),
  attached: (fields) => ({
    type: 'attached',
    exec: textOf(fields, 'exec'),
    sandbox: textOf(fields, 'sandbox'),
    owner: fields['owner'] === true,
    from: streamBytesOf(fields['from']),
    written: streamBytesOf(fields['written']),
    signals: countOf(fields, 'signals'),
    ...(fields['fed'] !== undefined && { fed: countOf(fields, 'fed') }),
  }),
  taken: () => ({ type: 'taken' }),
  started: (fields) => ({
    type: 'started',
    exec: textOf(fields, 'exec'),
    sandbox: textOf(fields, 'sandbox'),
    time: countOf(fields, 'time'),
  }),
  stdin: (fields) => ({
    type: 'stdin',
    accepted: countOf(fields, 'accepted'),
    limit: countOf(fields, 'limit'),
    closed: fields['closed'] === true,
    ...(fields['body'] !== undefined && { body: countOf(fields, 'body') }),
  }),
  heartbeat: () => ({ type: 'heartbeat' }),
  gap: (fields) => ({
    type: 'gap',
    stream: streamOf(fields['stream']),
    from: countOf(fields, 'from'),
    to: countOf(fields, 'to'),
  }),
  exit: parseExit,
  error: (fields) => ({ type: 'error', error: parseError(fields['error']).toBody() }),
};

/**
 * Gives an event of the stream its type; `undefined` for one that this version does not know.
 * @throws SbxError `session_lost` where a known event is not what the protocol says.
 */
export function parseExecEvent({ event, id, data }: SseEvent): ExecEvent | undefined {
  try {
    if (event === 'stdout' || event === 'stderr') {
      return parsePlainOutput(event, data, id) ?? parseOutput(event, JSON.parse(data) as Fields, id);
    }
    // What is not known is not read either.
    return Object.hasOwn(PARSERS, event) ? parseEventFields(event, JSON.parse(data) as Fields) : undefined;
  } catch (cause) {
    throw new SbxError('session_lost', `The server sent a ${event} event that cannot be read`, { cause });
  }
}

/**
 * An event without output from its parsed JSON; `undefined` for a type that this version does not know.
 * @throws TypeError where a field is not what the protocol says
 */
export function parseEventFields(type: string, fields: Fields): ExecEvent | undefined {
  return Object.hasOwn(PARSERS, type) ? PARSERS[type]?.(fields) : undefined;
}

const PLAIN_HEAD = /^\{"offset":(\d{1,15}),"time":(\d{1,15}),"base64":"/;

/** The form in which our server writes bulk data, read without the detour over JSON.parse, which costs as much again. */
function parsePlainOutput(type: OutputStream, data: string, id: string): OutputEvent | undefined {
  const head = PLAIN_HEAD.exec(data);
  if (head === null || !data.endsWith('"}')) return undefined;
  const base64 = data.slice(head[0].length, -2);
  const bytes = Buffer.from(base64, 'base64');
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  // Anything else than plain base64 between the quotes would have decoded to fewer bytes.
  if (bytes.length !== (base64.length / 4) * 3 - padding) return undefined;
  return { type, position: parsePosition(id), offset: Number(head[1]), time: Number(head[2]), bytes };
}

function parsePosition(id: string): number {
  const position = Number(id);
  if (id === '' || !Number.isSafeInteger(position)) throw new TypeError(`An output event has the id ${id}`);
  return position;
}

function parseOutput(type: OutputStream, fields: Fields, id: string): OutputEvent {
  return {
    type,
    position: fields['position'] === undefined ? parsePosition(id) : countOf(fields, 'position'),
    offset: countOf(fields, 'offset'),
    time: countOf(fields, 'time'),
    bytes: parsePayload(fields),
  };
}

function parseExit(fields: Fields): ExitEvent {
  return {
    type: 'exit',
    exit: parseExitValue(fields['exit']),
    reason: textOf(fields, 'reason') as ExitReason,
    bytes: streamBytesOf(fields['bytes']),
    closed: (fields['closed'] as unknown[]).map(streamOf),
    drain_truncated: fields['drain_truncated'] === true,
    duration_ms: countOf(fields, 'duration_ms'),
  };
}

function parseExitValue(value: unknown): Exit | null {
  if (value === null) return null;
  const fields = value as Fields;
  return 'code' in fields ? { code: codeOf(fields) } : { signal: signalOf(fields) };
}

/** A shell would take 256 for 0. */
function codeOf(fields: Fields): number {
  const code = countOf(fields, 'code');
  if (Number.isInteger(code) && code <= 255) return code;
  throw new TypeError(`${code} is no exit code`);
}

function signalOf(fields: Fields): string {
  const name = textOf(fields, 'signal');
  toSignalNumber(name);
  return name;
}

function parseError(value: unknown): SbxError {
  const error = parseErrorBody(value);
  if (error === undefined) throw new TypeError('An error event has no code and message');
  return error;
}

function countOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new TypeError(`${name} is not a count`);
}

function streamBytesOf(value: unknown): StreamBytes {
  const fields = value as Fields;
  return { stdout: countOf(fields, 'stdout'), stderr: countOf(fields, 'stderr') };
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw new TypeError(`${name} is not a text`);
}

function streamOf(value: unknown): OutputStream {
  if (value === 'stdout' || value === 'stderr') return value;
  throw new TypeError(`${String(value)} is not a stream`);
}
