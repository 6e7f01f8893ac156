import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SbxError } from '../../src/protocol/errors.ts';
import type { ExecEvent, OutputEvent, OutputStream } from '../../src/protocol/events.ts';
import {
  createEventParser,
  formatJsonFrame,
  formatOutputFrame,
  formatStdinHead,
  FrameParser,
  MAX_FRAME_BYTES,
  type ChannelRequest,
} from '../../src/protocol/frames.ts';

/** Cuts bytes at the given places. */
function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...cuts].map((start, index) => bytes.subarray(start, cuts[index] ?? bytes.length));
}

/** What a parser gives for these chunks, each in memory that is used again for the next. */
function parseEvents(chunks: readonly Buffer[]): ExecEvent[] {
  const events: ExecEvent[] = [];
  const memory = Buffer.alloc(Math.max(...chunks.map(({ length }) => length)));
  const parser = createEventParser((event) => {
    events.push('bytes' in event && Buffer.isBuffer(event.bytes) ? copy(event) : event);
  });
  for (const chunk of chunks) {
    memory.set(chunk);
    parser.push(memory.subarray(0, chunk.length));
    memory.fill(0xee);
  }
  return events;
}

function copy(event: ExecEvent): ExecEvent {
  const output = event as OutputEvent;
  return { ...output, bytes: Buffer.from(output.bytes) };
}

/** Pieces of one frame put together again, where each goes on where the one before ended. */
function join(events: readonly ExecEvent[]): ExecEvent[] {
  const joined: ExecEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (isOutput(event) && last !== undefined && isOutput(last) && goesOn(last, event)) {
      joined[joined.length - 1] = {
        ...event,
        offset: last.offset,
        bytes: Buffer.concat([last.bytes, event.bytes]),
      };
    } else joined.push(event);
  }
  return joined;
}

function isOutput(event: ExecEvent): event is OutputEvent {
  return event.type === 'stdout' || event.type === 'stderr';
}

function goesOn(last: OutputEvent, next: OutputEvent): boolean {
  return (
    last.type === next.type &&
    last.offset + last.bytes.length === next.offset &&
    last.position + next.bytes.length === next.position
  );
}

const hello: ExecEvent = { type: 'hello', instance: 'wéb “1”', protocol: 1, version: '0.1.0' };
const exit: ExecEvent = {
  type: 'exit',
  exit: { signal: 'KILL' },
  reason: 'killed',
  bytes: { stdout: 3, stderr: 0 },
  closed: ['stderr'],
  drain_truncated: false,
  duration_ms: 12,
};

const outputs = fc.record({
  type: fc.constantFrom<OutputStream>('stdout', 'stderr'),
  offset: fc.nat({ max: 2 ** 47 }),
  time: fc.nat({ max: 2 ** 42 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

describe('the events of a channel', () => {
  it('come back, whatever their bytes and wherever they are split', () => {
    fc.assert(
      fc.property(
        fc.array(outputs, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (some, places) => {
          // Apart from each other, so that no two of them look like pieces of one.
          const sent = some.flatMap((output, index): ExecEvent[] => [
            { ...output, position: output.offset + output.bytes.length },
            { type: 'stdin', accepted: index, limit: index, closed: false },
          ]);
          const all = [hello, ...sent, exit];
          const bytes = Buffer.concat(
            all.map((event) => (isOutput(event) ? formatOutputFrame(event) : formatJsonFrame(event))),
          );
          expect(join(parseEvents(split(bytes, places)))).toEqual(all);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are given as far as they have come', () => {
    const frame = formatOutputFrame({
      type: 'stderr',
      position: 110,
      offset: 40,
      time: 7,
      bytes: Buffer.from('0123456789'),
    });
    expect(parseEvents([frame.subarray(0, frame.length - 6), frame.subarray(frame.length - 6)])).toEqual([
      { type: 'stderr', position: 104, offset: 40, time: 7, bytes: Buffer.from('0123') },
      { type: 'stderr', position: 110, offset: 44, time: 7, bytes: Buffer.from('456789') },
    ]);
  });

  it('carry as much as one read of a pipe gives', () => {
    const bytes = Buffer.alloc(MAX_FRAME_BYTES, 'x');
    const event: ExecEvent = { type: 'stdout', position: bytes.length, offset: 0, time: 1, bytes };
    expect(parseEvents([formatOutputFrame(event)])).toEqual([event]);
  });

  it('of a type that is not known are passed over', () => {
    const later = formatJsonFrame({ type: 'later' } as unknown as ExecEvent as never);
    expect(parseEvents([Buffer.concat([later, formatJsonFrame({ type: 'heartbeat' })])])).toEqual([
      { type: 'heartbeat' },
    ]);
  });

  it.each([
    ['a kind that is none', Buffer.from([9, 0, 0, 0, 1, 0])],
    ['no JSON', Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), Buffer.from('{')])],
    [
      'JSON that is no event',
      Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), Buffer.from('{"type":"stdin"}')]),
    ],
    ['more JSON than any event has', Buffer.from([0, 0xff, 0xff, 0xff, 0xff])],
    ['output without a byte', Buffer.concat([Buffer.from([1, 0, 0, 0, 18]), Buffer.alloc(18)])],
    ['stdin', Buffer.concat([formatStdinHead(0, 1), Buffer.from('x')])],
  ])('that are %s lose the session', (_what, bytes) => {
    expect(() => parseEvents([bytes])).toThrow(SbxError);
    expect(() => parseEvents([bytes])).toThrow(/^The server sent what cannot be read: /);
  });
});

describe('what a client says on a channel', () => {
  it('is put together from single bytes, however long it is', async () => {
    const argv = ['x'.repeat(4 * 1024 * 1024)];
    const texts: string[] = [];
    const parser = new FrameParser({ json: (text) => texts.push(text), data: () => undefined });
    const request = { type: 'start', id: '1', argv } as const;
    const bytes = formatJsonFrame(request);
    for (let at = 0; at < bytes.length; at += 1) {
      parser.push(bytes.subarray(at, at + 1));
      // The time limit of the test is seen here.
      if (at % 10_000 === 0) await new Promise(setImmediate);
    }
    expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual([request]);
  });

  it('comes back with stdin at its offset, wherever it is split', () => {
    const requests: ChannelRequest[] = [
      { type: 'start', id: 'i', argv: ['echo', 'ünïcode\n'] },
      { type: 'ack', stdout: 5, stderr: 0 },
      { type: 'stdin_end', offset: 12 },
    ];
    const input = Buffer.from('some bytes of input');
    const bytes = Buffer.concat([
      ...requests.slice(0, 2).map(formatJsonFrame),
      formatStdinHead(2 ** 40, input.length),
      input,
      ...requests.slice(2).map(formatJsonFrame),
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 30 }), (places) => {
        const seen: unknown[] = [];
        const taken = Buffer.alloc(input.length);
        const parser = new FrameParser({
          json: (text) => seen.push(JSON.parse(text)),
          data: ({ kind, numbers, length, given }, piece) => {
            expect({ kind, numbers, length }).toEqual({
              kind: 'stdin',
              numbers: [2 ** 40],
              length: input.length,
            });
            taken.set(piece, given);
          },
        });
        for (const chunk of split(bytes, places)) parser.push(chunk);
        expect(seen).toEqual(requests);
        expect(taken).toEqual(input);
      }),
    );
  });
});
