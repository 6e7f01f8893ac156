import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseParser, type SseEvent } from '../../src/protocol/sse.ts';

function parse(...chunks: Buffer[]): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => events.push(event));
  for (const chunk of chunks) parser.push(chunk);
  return events;
}

const parseText = (text: string): SseEvent[] => parse(Buffer.from(text));

/** Cuts bytes at the given places. */
function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...cuts].map((start, index) => bytes.subarray(start, cuts[index] ?? bytes.length));
}

describe('a stream of server-sent events', () => {
  it('gives an event with its name, id and data at the empty line', () => {
    expect(parseText('id: 7\nevent: stdout\ndata: a\n\n')).toEqual([{ event: 'stdout', id: '7', data: 'a' }]);
  });

  it('gives nothing for an event that no empty line completes', () => {
    expect(parseText('data: a\n')).toEqual([]);
  });

  it('joins several data lines with line feeds', () => {
    expect(parseText('data: a\ndata\ndata: b\n\n')).toEqual([{ event: 'message', id: '', data: 'a\n\nb' }]);
  });

  it('takes one space after the colon as part of the syntax, and no more', () => {
    expect(parseText('data:  a\n\ndata:b\n\n').map(({ data }) => data)).toEqual([' a', 'b']);
  });

  it('passes over comments, unknown fields and events without data', () => {
    expect(parseText(': hello\nretry: 3\nfoo: bar\n\nevent: x\n\ndata: a\n\n')).toEqual([
      { event: 'message', id: '', data: 'a' },
    ]);
  });

  it('keeps the last id for later events, and ignores one with a NUL', () => {
    expect(parseText('id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n').map(({ id }) => id)).toEqual(['1', '1']);
  });

  it('passes over a byte order mark at the beginning only', () => {
    expect(parseText('\ufeffdata: a\n\n\ufeffdata: b\n\n').map(({ data }) => data)).toEqual(['a']);
  });

  it('ends lines at CR, LF and CRLF alike, wherever the bytes are split', () => {
    const events = [
      { event: 'message', id: '', data: 'a\nb' },
      { event: 'x', id: '9', data: 'ü' },
    ];
    const stream = fc.constantFrom('\n', '\r', '\r\n').map((end) => {
      return ['data: a', 'data: b', '', ': c', 'id: 9', 'event: x', 'data: ü', '', ''].join(end);
    });
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 20 }), (text, places) => {
        expect(parse(...split(Buffer.from(text), places))).toEqual(events);
      }),
    );
  });

  it('gives the same events for one stream whole and byte by byte, whatever the bytes', () => {
    const noise = fc.stringMatching(/^[ade:i \n\r]{0,80}$/);
    fc.assert(
      fc.property(noise, (text) => {
        const bytes = Buffer.from(`${text}\n\n`);
        expect(parse(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(parse(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps no chunk: a buffer may be used again at once', () => {
    const shared = Buffer.alloc(4);
    const events: SseEvent[] = [];
    const parser = new SseParser((event) => events.push(event));
    const text = 'data: abcdefghijklm\n\n';
    for (let at = 0; at < text.length; at += 4) {
      const length = shared.write(text.slice(at, at + 4));
      parser.push(shared.subarray(0, length));
    }
    expect(events.map(({ data }) => data)).toEqual(['abcdefghijklm']);
  });
});
