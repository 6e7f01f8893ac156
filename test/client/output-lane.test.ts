import { describe, expect, it } from 'vitest';
import { OutputLane } from '../../src/client/output-lane.ts';

/** A lane to somebody who is done with something when a test says so, in the order in which it came. */
function open() {
  const given: string[] = [];
  const undone: (() => void)[] = [];
  const failures: string[] = [];
  const lane = new OutputLane({
    takeOutput: ({ type, offset, time, bytes }, done) => {
      given.push(`${type} ${offset} at ${time}: ${bytes.length > 40 ? bytes.length : bytes.toString()}`);
      undone.push(done);
    },
    takeGap: ({ stream, from, to }, done) => {
      given.push(`gap ${stream} ${from}-${to}`);
      undone.push(done);
    },
    onFailure: ({ message }) => failures.push(message),
  });
  let offset = 0;
  const push = (text: string, time = 0, type: 'stdout' | 'stderr' = 'stdout'): void => {
    lane.pushOutput({ type, offset, time, bytes: Buffer.from(text) });
    offset += text.length;
  };
  const done = (): void => undone.shift()?.();
  return { lane, given, push, done, failures };
}

describe('output', () => {
  it('is given at once to who is not behind', () => {
    const { given, push, done } = open();
    push('a');
    done();
    push('b');
    expect(given).toEqual(['stdout 0 at 0: a', 'stdout 1 at 0: b']);
  });

  it('that was read in the same millisecond is joined for who is behind', () => {
    const { given, push, done } = open();
    push('a', 1);
    for (const text of 'bcd') push(text, 2);
    push('e', 3);
    expect(given).toEqual(['stdout 0 at 1: a']);
    done();
    done();
    expect(given.slice(1)).toEqual(['stdout 1 at 2: bcd', 'stdout 4 at 3: e']);
  });

  it('byte by byte, whenever it was read, is a few pieces for who is far behind', () => {
    const { given, push, lane } = open();
    for (let at = 0; at < 200_000; at += 1) push('x', at);
    lane.hurry();
    expect(given.length).toBeLessThan(1024 + 5);
    expect(given.at(-1)).toMatch(/^stdout \d+ at \d+: \d+$/);
  });

  it('of both streams keeps its order', () => {
    const { given, push, done } = open();
    push('a');
    push('b', 0, 'stderr');
    push('c');
    for (let count = 0; count < 3; count += 1) done();
    expect(given).toEqual(['stdout 0 at 0: a', 'stderr 1 at 0: b', 'stdout 2 at 0: c']);
  });

  it('is all given when nothing more will come, whoever is behind', () => {
    const { given, push, lane } = open();
    push('a');
    push('b');
    push('c', 1);
    lane.hurry();
    expect(given).toEqual(['stdout 0 at 0: a', 'stdout 1 at 0: b', 'stdout 2 at 1: c']);
  });

  it('that was waiting is done with at once by who has gone, however much it is', () => {
    let count = 0;
    let first: (() => void) | undefined;
    const lane = new OutputLane({
      takeOutput: (_chunk, done) => {
        count += 1;
        if (first === undefined) first = done;
        else done();
      },
      takeGap: (_gap, done) => done(),
      onFailure: (error) => {
        throw error;
      },
    });
    const bytes = Buffer.alloc(64 * 1024);
    for (let at = 0; at < 20_000; at += 1)
      lane.pushOutput({ type: 'stdout', offset: at, time: at, bytes: bytes.subarray(at % 2) });
    first?.();
    expect(count).toBe(20_000);
  });

  it('is not given any more to who has thrown', () => {
    const failures: string[] = [];
    const lane = new OutputLane({
      takeOutput: () => {
        throw new Error('the disk is full');
      },
      takeGap: (_gap, done) => done(),
      onFailure: ({ message }) => failures.push(message),
    });
    for (let at = 0; at < 3; at += 1)
      lane.pushOutput({ type: 'stdout', offset: at, time: 0, bytes: Buffer.from('x') });
    lane.hurry();
    expect(failures).toEqual(['the disk is full']);
  });
});

describe('gaps', () => {
  it('are one, however many come while something is not done with', () => {
    const { lane, given, push, done } = open();
    push('a');
    for (let at = 1; at < 100; at += 1) lane.pushGap({ stream: 'stdout', from: at, to: at + 1 });
    done();
    expect(given).toEqual(['stdout 0 at 0: a', 'gap stdout 1-100']);
    done();
    lane.pushGap({ stream: 'stdout', from: 100, to: 110 });
    expect(given.at(-1)).toBe('gap stdout 100-110');
  });

  it('have their place between what comes before and behind them', () => {
    const { lane, given, push, done } = open();
    push('a');
    push('b');
    lane.pushGap({ stream: 'stdout', from: 2, to: 7 });
    push('c');
    for (let count = 0; count < 4; count += 1) done();
    expect(given).toEqual(['stdout 0 at 0: a', 'stdout 1 at 0: b', 'gap stdout 2-7', 'stdout 2 at 0: c']);
  });
});
