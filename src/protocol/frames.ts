// The binary form of an exec's traffic, both ways on one connection: what Server-Sent Events and small requests say,
// without base64, without text to search for line ends, and without the cost of HTTP for each piece. A frame is
//
//   kind     1 byte   0 JSON, 1 stdout, 2 stderr, 3 stdin
//   length   4 bytes  of what follows
//   numbers  6 bytes each: of output its position, offset and time as in an event, of stdin its offset; of JSON none
//   bytes
//
// Numbers are unsigned and big-endian. JSON is an event with its `type` from the server, a request with its from the
// client.

import type {
  AckRequest,
  AttachRequest,
  CloseRequest,
  SignalRequest,
  StartExecRequest,
  StdinEndRequest,
} from './api.ts';
import { SbxError } from './errors.ts';
import { parseEventFields, type ExecEvent, type OutputEvent } from './events.ts';

/** Names this form where a connection is upgraded to it. */
export const FRAMES_PROTOCOL = 'sbx-frames';

/** The most bytes of output in one frame: as many as one read of a pipe gives. */
export const MAX_FRAME_BYTES = 64 * 1024;

/** What opens a channel: it comes first, and once. */
export type OpeningRequest =
  ({ readonly type: 'start' } & StartExecRequest) | ({ readonly type: 'attach' } & AttachRequest);

/** What a client says on a channel, beside the bytes of stdin. */
export type ChannelRequest =
  | OpeningRequest
  | ({ readonly type: 'ack' } & AckRequest)
  | ({ readonly type: 'signal' } & SignalRequest)
  | ({ readonly type: 'close' } & CloseRequest)
  | ({ readonly type: 'stdin_end' } & StdinEndRequest)
  | { readonly type: 'leave' };

const HEAD = 5;
const NUMBER = 6;
/** As much as a request may have that comes in a body of its own. */
const MAX_JSON = 16 * 1024 * 1024;

const NOTHING = Buffer.alloc(0);

const JSON_KIND = 0;
const KINDS = { stdout: 1, stderr: 2, stdin: 3 } as const;
type DataKind = keyof typeof KINDS;
/** By the byte that says it: which kind, and how many numbers it has. */
const DATA_KINDS: readonly (readonly [DataKind, number] | undefined)[] = [
  undefined,
  ['stdout', 3],
  ['stderr', 3],
  ['stdin', 1],
];

/** An event without output, or a request, as a frame. */
export function formatJsonFrame(value: Exclude<ExecEvent, OutputEvent> | ChannelRequest): Buffer {
  const json = JSON.stringify(value);
  const length = Buffer.byteLength(json);
  const frame = startFrame({ kind: JSON_KIND, numbers: [], length });
  frame.write(json, HEAD);
  return frame;
}

/** Output as a frame; `bytes` are at most {@link MAX_FRAME_BYTES}. */
export function formatOutputFrame({ type, position, offset, time, bytes }: OutputEvent): Buffer {
  const frame = startFrame({ kind: KINDS[type], numbers: [position, offset, time], length: bytes.length });
  frame.set(bytes, frame.length - bytes.length);
  return frame;
}

/** What the head of a frame with output says. `position` is that after its last byte. */
export interface OutputHead extends Omit<OutputEvent, 'bytes'> {
  /** Bytes of output that follow. */
  readonly length: number;
}

/** Bytes that stand before the output in a frame. */
export const OUTPUT_HEAD_BYTES = HEAD + 3 * NUMBER;

/** Writes what stands before the output at `at`, for who leaves the bytes themselves where they are. */
export function writeOutputHead(target: Buffer, at: number, head: OutputHead): void {
  target[at] = KINDS[head.type];
  target.writeUInt32BE(OUTPUT_HEAD_BYTES - HEAD + head.length, at + 1);
  target.writeUIntBE(head.position, at + HEAD, NUMBER);
  target.writeUIntBE(head.offset, at + HEAD + NUMBER, NUMBER);
  target.writeUIntBE(head.time, at + HEAD + 2 * NUMBER, NUMBER);
}

/** The head at `at` of bytes that are used up to `end`; undefined where no whole head of output stands there. */
export function parseOutputHead(bytes: Buffer, at: number, end: number): OutputHead | undefined {
  if (end - at < OUTPUT_HEAD_BYTES) return undefined;
  const [type] = DATA_KINDS[bytes[at] as number] ?? [];
  if (type === undefined || type === 'stdin') return undefined;
  const length = bytes.readUInt32BE(at + 1) + HEAD - OUTPUT_HEAD_BYTES;
  if (length <= 0 || length > MAX_FRAME_BYTES) return undefined;
  return {
    type,
    position: bytes.readUIntBE(at + HEAD, NUMBER),
    offset: bytes.readUIntBE(at + HEAD + NUMBER, NUMBER),
    time: bytes.readUIntBE(at + HEAD + 2 * NUMBER, NUMBER),
    length,
  };
}

/** What stands before `length` bytes of stdin. */
export function formatStdinHead(offset: number, length: number): Buffer {
  return startFrame({ kind: KINDS.stdin, numbers: [offset], length }, 0);
}

interface FrameStart {
  readonly kind: number;
  readonly numbers: readonly number[];
  readonly length: number;
}

/** A frame with its head filled in, and room for `there` of its `length` bytes. */
function startFrame({ kind, numbers, length }: FrameStart, there = length): Buffer {
  const head = HEAD + numbers.length * NUMBER;
  const frame = Buffer.allocUnsafe(head + there);
  frame[0] = kind;
  frame.writeUInt32BE(head - HEAD + length, 1);
  for (let index = 0; index < numbers.length; index += 1) {
    frame.writeUIntBE(numbers[index] as number, HEAD + index * NUMBER, NUMBER);
  }
  return frame;
}

/** What the head of a frame with data says. */
export interface DataHead {
  readonly kind: DataKind;
  readonly numbers: readonly number[];
  /** Bytes of data in the frame, and how many of them were given before. */
  readonly length: number;
  readonly given: number;
}

export interface FrameSink {
  json(text: string): void;
  /** Data as it comes, a frame's perhaps in several pieces; valid until the call returns. */
  data(head: DataHead, bytes: Buffer): void;
}

/** Splits frames from bytes that are split anywhere. */
export class FrameParser {
  readonly #sink: FrameSink;
  /** The beginning of a head, or of JSON, whose rest has not come; perhaps with room behind it. */
  #pending = NOTHING;
  #pendingLength = 0;
  /** How long that has to be before there is something to take. */
  #wanted = HEAD;
  #data: (DataHead & { given: number }) | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /**
   * Takes the next bytes, which may be used again when it returns.
   * @throws TypeError where they are no frames
   */
  push(chunk: Buffer): void {
    const bytes = this.#pendingLength === 0 ? chunk : this.#join(chunk);
    if (bytes === undefined) return;
    for (let at = 0; at < bytes.length;) {
      const taken =
        this.#data === undefined ? this.#takeHead(bytes, at) : this.#takeData(this.#data, bytes, at);
      if (taken === 0) {
        this.#hold(bytes.subarray(at));
        return;
      }
      at += taken;
    }
  }

  /** What was held, and the chunk behind it; undefined, and all is held, where that is not enough. */
  #join(chunk: Buffer): Buffer | undefined {
    this.#hold(chunk);
    if (this.#pendingLength < this.#wanted) return undefined;
    const bytes = this.#pending.subarray(0, this.#pendingLength);
    this.#pending = NOTHING;
    this.#pendingLength = 0;
    return bytes;
  }

  /** Copies bytes behind those that are held. The room doubles: a frame that comes byte by byte is not copied for each. */
  #hold(bytes: Buffer): void {
    const length = this.#pendingLength + bytes.length;
    if (length > this.#pending.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#pending.length));
      this.#pending.copy(larger, 0, 0, this.#pendingLength);
      this.#pending = larger;
    }
    this.#pending.set(bytes, this.#pendingLength);
    this.#pendingLength = length;
  }

  /** Takes JSON whole, of other frames what stands before their data; 0 where that is not complete. */
  #takeHead(bytes: Buffer, at: number): number {
    const there = bytes.length - at;
    this.#wanted = HEAD;
    if (there < HEAD) return 0;
    const kind = bytes[at] as number;
    const length = bytes.readUInt32BE(at + 1);
    if (kind !== JSON_KIND) return this.#openData(bytes, { at, kind, length });
    if (length > MAX_JSON) throw new TypeError(`A frame has ${length} bytes of JSON`);
    this.#wanted = HEAD + length;
    if (there < this.#wanted) return 0;
    this.#sink.json(bytes.toString('utf8', at + HEAD, at + HEAD + length));
    return HEAD + length;
  }

  #openData(bytes: Buffer, { at, kind, length }: { at: number; kind: number; length: number }): number {
    const [name, count] = DATA_KINDS[kind] ?? [];
    if (name === undefined || count === undefined) throw new TypeError(`A frame is of the kind ${kind}`);
    const head = HEAD + count * NUMBER;
    if (length + HEAD <= head) throw new TypeError(`A frame of ${name} has no bytes`);
    this.#wanted = head;
    if (bytes.length - at < head) return 0;
    const numbers: number[] = [];
    for (let place = at + HEAD; numbers.length < count; place += NUMBER) {
      numbers.push(bytes.readUIntBE(place, NUMBER));
    }
    this.#data = { kind: name, numbers, length: length + HEAD - head, given: 0 };
    return head;
  }

  #takeData(data: DataHead & { given: number }, bytes: Buffer, at: number): number {
    const length = Math.min(data.length - data.given, bytes.length - at);
    this.#sink.data(data, bytes.subarray(at, at + length));
    data.given += length;
    if (data.given === data.length) this.#data = undefined;
    return length;
  }
}

/**
 * Parses the events of a channel. An output event's bytes are valid until the call returns.
 * Its `push` throws `session_lost` where they are not what the protocol says.
 */
export function createEventParser(onEvent: (event: ExecEvent) => void): { push(chunk: Buffer): void } {
  const parser = new FrameParser({
    json: (text) => {
      const fields = JSON.parse(text) as Record<string, unknown>;
      const event = parseEventFields(String(fields['type']), fields);
      if (event !== undefined) onEvent(event);
    },
    data: ({ kind, numbers, length, given }, bytes) => {
      if (kind === 'stdin') throw new TypeError('stdin came from the server');
      const [last = 0, offset = 0, time = 0] = numbers;
      const position = last - length + given + bytes.length;
      onEvent({ type: kind, position, offset: offset + given, time, bytes });
    },
  });
  return {
    push: (chunk) => {
      try {
        parser.push(chunk);
      } catch (cause) {
        if (cause instanceof SbxError) throw cause;
        throw new SbxError('session_lost', `The server sent what cannot be read: ${String(cause)}`, {
          cause,
        });
      }
    },
  };
}
