import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatEvent,
  formatOutputEvent,
  MAX_EVENT_BYTES,
  parseExecEvent,
  type ExecEvent,
  type OutputEvent,
} from '../../src/protocol/events.ts';
import { SseParser } from '../../src/protocol/sse.ts';

function roundTrip(text: string): (ExecEvent | undefined)[] {
  const events: (ExecEvent | undefined)[] = [];
  new SseParser((event) => events.push(parseExecEvent(event))).push(Buffer.from(text, 'latin1'));
  return events;
}

const output = (bytes: Buffer): OutputEvent => ({
  type: 'stdout',
  position: 100 + bytes.length,
  offset: 42,
  time: 1_700_000_000_000,
  bytes,
});

const others: Exclude<ExecEvent, OutputEvent>[] = [
  { type: 'hello', instance: 'i', protocol: 1, version: '0.1.0' },
  { type: 'started', exec: 'e', sandbox: 'wéb', time: 5 },
  { type: 'stdin', accepted: 12, limit: 1048588, closed: true },
  { type: 'heartbeat' },
  { type: 'gap', stream: 'stderr', from: 1, to: 5 },
  {
    type: 'exit',
    exit: { code: 3 },
    reason: 'exited',
    bytes: { stdout: 1, stderr: 2 },
    closed: ['stdout'],
    drain_truncated: true,
    duration_ms: 7,
  },
  {
    type: 'exit',
    exit: { signal: 'KILL' },
    reason: 'timeout',
    bytes: { stdout: 0, stderr: 0 },
    closed: [],
    drain_truncated: false,
    duration_ms: 0,
  },
  { type: 'error', error: { code: 'command_not_found', message: 'no “x”', hint: 'h' } },
];

describe('exec events', () => {
  it('carry any bytes unchanged, each by itself', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(roundTrip(formatOutputEvent(output(Buffer.from(bytes))))).toEqual([
          output(Buffer.from(bytes)),
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it('carry any text unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const event = output(Buffer.from(text));
        expect(roundTrip(formatOutputEvent(event))).toEqual([event]);
      }),
      { numRuns: 500 },
    );
  });

  it('travel as text where that grows by less than a third, else as base64', () => {
    const carrier = (bytes: Buffer): string | undefined =>
      /"(text|base64)":/.exec(formatOutputEvent(output(bytes)))?.[1];
    expect(carrier(Buffer.from('{"jsonrpc":"2.0","id":1}\n'))).toBe('text');
    expect(carrier(Buffer.from('a plain line of text\n'))).toBe('text');
    expect(carrier(Buffer.from('many plain words and one é among them\n'))).toBe('text');
    expect(carrier(Buffer.from('y\n'))).toBe('base64');
    expect(carrier(Buffer.alloc(100))).toBe('base64');
    expect(carrier(Buffer.from([0xc3]))).toBe('base64');
    expect(
      carrier(Buffer.concat([Buffer.from('plain words, and a cut character '), Buffer.from([0xe2, 0x82])])),
    ).toBe('base64');
    expect(carrier(Buffer.concat([Buffer.from('plain words, and a stray byte '), Buffer.from([0x80])]))).toBe(
      'base64',
    );
  });

  it('are ASCII, and no line of them is over 60,000 bytes', () => {
    const fillings = [0x00, 0x22, 0x61, 0x80, 0xff].map((byte) => Buffer.alloc(MAX_EVENT_BYTES, byte));
    const texts = [...fillings.map((bytes) => formatOutputEvent(output(bytes))), ...others.map(formatEvent)];
    for (const text of texts) {
      expect(text).toMatch(/^[\n\x20-\x7e]*$/);
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60_000);
    }
  });

  it.each(others)('come back as they were: $type', (event) => {
    expect(roundTrip(formatEvent(event))).toEqual([event]);
  });

  it('of a kind that is not known are passed over', () => {
    expect(parseExecEvent({ event: 'novelty', id: '', data: 'not even JSON' })).toBeUndefined();
    expect(parseExecEvent({ event: 'toString', id: '', data: '{}' })).toBeUndefined();
  });

  it.each([
    ['exit', '{}'],
    ['exit', '{"exit":{"code":"0"},"reason":"exited","bytes":{"stdout":0,"stderr":0},"closed":[]}'],
    ['exit', 'null'],
    [
      'exit',
      '{"exit":{"code":256},"reason":"exited","bytes":{"stdout":0,"stderr":0},"closed":[],"duration_ms":1}',
    ],
    [
      'exit',
      '{"exit":{"code":1.5},"reason":"exited","bytes":{"stdout":0,"stderr":0},"closed":[],"duration_ms":1}',
    ],
    [
      'exit',
      '{"exit":{"signal":"NOPE"},"reason":"exited","bytes":{"stdout":0,"stderr":0},"closed":[],"duration_ms":1}',
    ],
    ['stdout', '{"offset":0,"time":0}'],
    ['stdout', '{"offset":0,"time":0,"base64":"AAAA"}'],
    ['gap', '{"stream":"stdin","from":0,"to":1}'],
    ['error', '{"error":{}}'],
  ])('that cannot be read are a lost session, never a guess: %s %s', (event, data) => {
    expect(() => parseExecEvent({ event, id: '', data })).toThrow(
      expect.objectContaining({ code: 'session_lost' }),
    );
  });

  it('read base64 with escapes or a wrong length as JSON does', () => {
    const parse = (base64: string): unknown =>
      parseExecEvent({ event: 'stdout', id: '3', data: `{"offset":0,"time":0,"base64":"${base64}"}` });
    expect(parse('YWJj')).toMatchObject({ bytes: Buffer.from('abc') });
    expect(parse('YWJ\\u006a')).toMatchObject({ bytes: Buffer.from('abc') });
    expect(parse('YWI')).toMatchObject({ bytes: Buffer.from('ab') });
  });
});
