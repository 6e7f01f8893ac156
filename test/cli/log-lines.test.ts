import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineStamps } from '../../src/cli/logs/line-stamps.ts';
import { LogEnd } from '../../src/cli/logs/log-end.ts';
import { SinceFilter } from '../../src/cli/logs/since-filter.ts';
import { TailCounter } from '../../src/cli/logs/tail-counter.ts';

/** Chunks of one stream with the times at which they came. */
type Chunks = readonly (readonly [time: number, text: string])[];

function filter(since: number, chunks: Chunks): string {
  const lines = new SinceFilter(since);
  return chunks.map(([time, text]) => lines.take(Buffer.from(text), time).toString()).join('');
}

describe('the lines since a time', () => {
  it.each([
    {
      what: 'are all where all are young',
      chunks: [
        [5, 'a\nb'],
        [6, 'c\n'],
      ],
      shown: 'a\nbc\n',
    },
    {
      what: 'are none where all are old',
      chunks: [
        [1, 'a\nb'],
        [2, 'c\n'],
      ],
      shown: '',
    },
    {
      what: 'begin with the first young one',
      chunks: [
        [4, 'old\n'],
        [5, 'new\n'],
      ],
      shown: 'new\n',
    },
    {
      what: 'have no end of an old one',
      chunks: [
        [4, 'ol'],
        [5, 'd\nnew\n'],
      ],
      shown: 'new\n',
    },
    {
      what: 'have no old one that is never ended',
      chunks: [
        [4, 'ol'],
        [5, 'd'],
        [6, 'er'],
      ],
      shown: '',
    },
    {
      what: 'have a young one whole where the clock was set back',
      chunks: [
        [5, 'ne'],
        [4, 'w\nold\n'],
      ],
      shown: 'new\n',
    },
    { what: 'have one that is not ended', chunks: [[5, 'new']], shown: 'new' },
    {
      what: 'may be empty',
      chunks: [
        [4, '\n'],
        [5, '\n\n'],
      ],
      shown: '\n\n',
    },
  ] as { what: string; chunks: Chunks; shown: string }[])('$what', ({ chunks, shown }) => {
    expect(filter(5, chunks)).toBe(shown);
  });

  it('begin anew where bytes are missing', () => {
    const lines = new SinceFilter(5);
    lines.take(Buffer.from('ol'), 4);
    lines.skip();
    expect(lines.take(Buffer.from('new\n'), 5).toString()).toBe('new\n');
  });
});

describe('the times before lines', () => {
  const stamp = (time: number): string => `${new Date(time).toISOString()} `;

  it('are those of the first byte of each line', () => {
    const stamps = new LineStamps();
    const chunks: Chunks = [
      [1000, 'a\nb'],
      [2000, 'c\n'],
      [3000, '\n'],
      [3000, 'd'],
    ];
    const shown = chunks.map(([time, text]) => stamps.take(Buffer.from(text), time).toString()).join('');
    expect(shown).toBe(`${stamp(1000)}a\n${stamp(1000)}bc\n${stamp(3000)}\n${stamp(3000)}d`);
  });

  it('stand where bytes are missing as well', () => {
    const stamps = new LineStamps();
    stamps.take(Buffer.from('a'), 1000);
    stamps.skip();
    expect(stamps.take(Buffer.from('b'), 2000).toString()).toBe(`${stamp(2000)}b`);
  });

  it('change no byte of the lines', () => {
    const pieces = fc.array(fc.uint8Array({ max: 12, maxLength: 20 }));
    fc.assert(
      fc.property(pieces, (list) => {
        const stamps = new LineStamps();
        const shown = Buffer.concat(list.map((bytes) => stamps.take(Buffer.from(bytes), 1000)));
        const plain = shown.toString('latin1').replaceAll(stamp(1000), '');
        expect(plain).toBe(Buffer.concat(list).toString('latin1'));
      }),
    );
  });
});

describe('the last lines', () => {
  const WRITTEN = [
    ['stdout', 'one\ntwo\n'],
    ['stderr', 'err'],
    ['stdout', 'three\nfo'],
    ['stderr', 'or\nlast'],
    ['stdout', 'ur\n'],
  ] as const;
  const END = { stdout: 19, stderr: 10 };

  it.each([
    { lines: 0, stdout: 19, stderr: 10 },
    { lines: 1, stdout: 19, stderr: 6 },
    { lines: 2, stdout: 14, stderr: 6 },
    { lines: 3, stdout: 8, stderr: 6 },
    { lines: 4, stdout: 8, stderr: 0 },
    { lines: 5, stdout: 4, stderr: 0 },
    { lines: 6, stdout: 0, stderr: 0 },
    { lines: 100, stdout: 0, stderr: 0 },
  ])('$lines over both streams begin where they began to come', ({ lines, ...offsets }) => {
    const counter = new TailCounter(lines);
    const at = { stdout: 0, stderr: 0 };
    for (const [stream, text] of WRITTEN) {
      counter.take(stream, at[stream], Buffer.from(text));
      at[stream] += text.length;
    }
    expect(at).toEqual(END);
    expect(counter.toOffsets(END)).toEqual(offsets);
  });

  it('begin anew where bytes are missing', () => {
    const counter = new TailCounter(1);
    counter.take('stdout', 0, Buffer.from('begun'));
    counter.skip('stdout');
    counter.take('stdout', 100, Buffer.from('rest'));
    expect(counter.toOffsets({ stdout: 104, stderr: 0 })).toEqual({ stdout: 100, stderr: 0 });
  });
});

describe('the end of what was there', () => {
  const attached = {
    type: 'attached',
    exec: '',
    sandbox: '',
    owner: false,
    from: { stdout: 0, stderr: 0 },
    written: { stdout: 10, stderr: 3 },
    signals: 0,
  } as const;
  const output = (type: 'stdout' | 'stderr', offset: number, text: string) =>
    ({ type, position: 0, offset, time: 0, bytes: Buffer.from(text) }) as const;

  it('is reached with the last byte of both streams, come or missing', () => {
    const end = new LogEnd();
    expect(end.isReached).toBe(false);
    end.take(attached);
    end.take({ type: 'gap', stream: 'stdout', from: 0, to: 6 });
    end.take(output('stderr', 0, 'err'));
    expect(end.isReached).toBe(false);
    end.take(output('stdout', 6, 'last'));
    expect(end.isReached).toBe(true);
  });

  it('is not put off by what was written while a connection was cut', () => {
    const end = new LogEnd();
    end.take(attached);
    end.take(output('stderr', 0, 'err'));
    end.take({ ...attached, from: { stdout: 0, stderr: 3 }, written: { stdout: 1000, stderr: 1000 } });
    end.take(output('stdout', 0, '0123456789'));
    expect(end.isReached).toBe(true);
  });

  it('is there at once where nothing was written', () => {
    const end = new LogEnd();
    end.take({ ...attached, from: attached.written });
    expect(end.isReached).toBe(true);
  });

  it('is told from an error that refuses the reading', () => {
    const error = { type: 'error', error: { code: 'session_lost', message: '', hint: '' } } as const;
    const refused = new LogEnd();
    refused.take(error);
    expect(refused.hasEnded).toBe(false);
    const lost = new LogEnd();
    lost.take(attached);
    lost.take(error);
    expect(lost.hasEnded).toBe(true);
  });
});
