import { describe, expect, it } from 'vitest';
import { GapTeller } from '../../src/cli/exec/gap-teller.ts';

/** Keeps the lines until a test says that they are written. */
function open() {
  const lines: string[] = [];
  const unwritten: (() => void)[] = [];
  const gaps = new GapTeller(({ stream, from, to }, written) => {
    lines.push(`${stream} ${from}-${to}`);
    unwritten.push(written);
  });
  const write = (): void => unwritten.shift()?.();
  return { gaps, lines, write };
}

describe('gaps', () => {
  it('are one line more, however many come while a line is not written', () => {
    const { gaps, lines, write } = open();
    for (let at = 0; at < 100; at += 1) gaps.tell({ stream: 'stdout', from: at, to: at + 1 });
    expect(lines).toEqual(['stdout 0-1']);
    write();
    expect(lines).toEqual(['stdout 0-1', 'stdout 1-100']);
    write();
    gaps.tell({ stream: 'stdout', from: 100, to: 110 });
    expect(lines.at(-1)).toBe('stdout 100-110');
  });

  it('are told before what comes behind them', () => {
    const { gaps, lines, write } = open();
    gaps.tell({ stream: 'stdout', from: 0, to: 1 });
    gaps.tell({ stream: 'stdout', from: 1, to: 2 });
    gaps.tell({ stream: 'stderr', from: 0, to: 7 });
    gaps.flush('stdout');
    expect(lines).toEqual(['stdout 0-1', 'stderr 0-7', 'stdout 1-2']);
    for (let count = 0; count < 3; count += 1) write();
    expect(lines).toHaveLength(3);
  });
});
