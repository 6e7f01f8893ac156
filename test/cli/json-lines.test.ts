import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter, MAX_LINE_BYTES } from '../../src/cli/json/line-splitter.ts';
import { countBeyondTriples, countCutCharacter, regroup } from '../../src/cli/json/regroup.ts';
import { formatStream } from '../../src/cli/json/stream-text.ts';

/** Bytes, cut at random places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const places = fc.array(fc.nat(), { maxLength: 20 });
const anyBytes = fc
  .oneof(fc.uint8Array({ maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 30 }))
  .map((value) => Buffer.from(value as string));

function split(chunks: readonly Buffer[]) {
  const splitter = new LineSplitter();
  const lines = chunks.flatMap((chunk) =>
    Array.from(splitter.push(chunk), ({ number, bytes }) => ({ number, text: bytes?.toString('latin1') })),
  );
  const last = splitter.end();
  return last ? [...lines, { number: last.number, text: last.bytes?.toString('latin1') }] : lines;
}

describe('lines', () => {
  it('are the same wherever the bytes are cut', () => {
    const text = fc.string({ unit: fc.constantFrom('\n', 'a', 'é', '\r'), maxLength: 40 });
    fc.assert(
      fc.property(text, places, (value, at) => {
        const bytes = Buffer.from(value);
        const expected = bytes.toString('latin1').split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(split(cut(bytes, at))).toEqual(
          expected.map((line, index) => ({ number: index + 1, text: line })),
        );
      }),
    );
  });

  it('that are too long have a number and no bytes, wherever they are cut', () => {
    const long = Buffer.alloc(MAX_LINE_BYTES + 1, 'x');
    const bytes = Buffer.concat([long, Buffer.from('\nfine\n'), long]);
    const expected = [{ number: 1 }, { number: 2, text: 'fine' }, { number: 3 }];
    expect(split([bytes])).toEqual(expected);
    expect(split(cut(bytes, [1000, 5_000_000, MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 3]))).toEqual(expected);
  });
});

describe('a stream as JSON', () => {
  it('is text where all of it is UTF-8, else base64, wherever it is cut', () => {
    fc.assert(
      fc.property(anyBytes, places, (bytes, at) => {
        const json = JSON.parse(`{${[...formatStream(() => cut(bytes, at))].join('')}}`);
        const isText = Buffer.from(bytes.toString()).equals(bytes);
        expect(json).toEqual(isText ? { text: bytes.toString() } : { base64: bytes.toString('base64') });
      }),
    );
  });

  it.each([
    { group: 'characters', count: countCutCharacter },
    { group: 'triples', count: countBeyondTriples },
  ])('loses and doubles nothing in $group', ({ count }) => {
    fc.assert(
      fc.property(anyBytes, places, (bytes, at) => {
        const pieces = Array.from(regroup(cut(bytes, at), count), (piece) => Buffer.from(piece));
        expect(Buffer.concat(pieces)).toEqual(bytes);
      }),
    );
  });
});
