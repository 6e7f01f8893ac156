import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OutputStream } from '../../../src/protocol/events.ts';
import { ExecLog, type LogPiece } from '../../../src/server/log/exec-log.ts';

/** All that a reader with these offsets still gets. */
function readAll(log: ExecLog, from = { stdout: 0, stderr: 0 }, limit = 1 << 20): LogPiece[] {
  const at = { ...from };
  const pieces: LogPiece[] = [];
  for (let piece = log.next(at, limit); piece !== undefined; piece = log.next(at, limit)) {
    pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) });
    at[piece.stream] = piece.offset + piece.bytes.length;
  }
  return pieces;
}

const bytesOf = (pieces: LogPiece[], stream: OutputStream): Buffer =>
  Buffer.concat(pieces.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes));

const writes = fc.array(
  fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 9 }),
      fc.uint8Array({ minLength: 4000, maxLength: 40_000 }),
    ),
    time: fc.nat(2),
  }),
  { maxLength: 30 },
);

function logOf(all: { stream: OutputStream; bytes: Uint8Array; time: number }[]): ExecLog {
  const log = new ExecLog();
  for (const { stream, bytes, time } of all) log.append(stream, bytes, time);
  return log;
}

describe('an exec log', () => {
  it('gives every byte back, in order, whatever the pieces', () => {
    fc.assert(
      fc.property(writes, fc.integer({ min: 1, max: 50_000 }), (all, limit) => {
        const pieces = readAll(logOf(all), undefined, limit);
        for (const stream of ['stdout', 'stderr'] as const) {
          const written = all.filter((write) => write.stream === stream).map(({ bytes }) => bytes);
          expect(bytesOf(pieces, stream).equals(Buffer.concat(written))).toBe(true);
        }
      }),
    );
  });

  it('gives the pieces in the order of their positions, without a hole', () => {
    fc.assert(
      fc.property(writes, fc.integer({ min: 1, max: 50_000 }), (all, limit) => {
        const log = logOf(all);
        let position = 0;
        for (const piece of readAll(log, undefined, limit)) {
          expect(piece.position).toBe(position);
          position += piece.bytes.length;
        }
        expect(position).toBe(log.end);
      }),
    );
  });

  it('keeps what is not acknowledged, from any offset in the middle of a record', () => {
    fc.assert(
      fc.property(writes, fc.nat(100_000), fc.nat(100_000), (all, a, b) => {
        const log = logOf(all);
        const whole = bytesOf(readAll(log), 'stdout');
        const acknowledged = Math.min(a, whole.length);
        const from = Math.min(acknowledged + b, whole.length);
        log.acknowledge('stdout', acknowledged);
        expect(log.unacknowledged('stdout')).toBe(whole.length - acknowledged);
        expect(
          bytesOf(readAll(log, { stdout: from, stderr: 0 }), 'stdout').equals(whole.subarray(from)),
        ).toBe(true);
      }),
    );
  });

  it('shows a reader that fell behind where it goes on', () => {
    const log = logOf([
      { stream: 'stdout', bytes: Buffer.alloc(5000, 'a'), time: 0 },
      { stream: 'stdout', bytes: Buffer.alloc(5000, 'b'), time: 1 },
    ]);
    log.acknowledge('stdout', 5000);
    expect(log.next({ stdout: 0, stderr: 0 }, 10)).toMatchObject({
      offset: 5000,
      bytes: Buffer.from('bbbbbbbbbb'),
    });
  });

  it('joins tiny writes, also after their record was read', () => {
    const log = new ExecLog();
    log.append('stdout', Buffer.from('a'), 1);
    expect(readAll(log)).toHaveLength(1);
    log.append('stdout', Buffer.from('b'), 1);
    expect(readAll(log, { stdout: 1, stderr: 0 })).toMatchObject([
      { position: 1, offset: 1, bytes: Buffer.from('b') },
    ]);
    expect(readAll(log)).toMatchObject([{ bytes: Buffer.from('ab') }]);
  });

  it('never keeps more records than bytes of tiny writes would need, however they are timed', () => {
    const log = new ExecLog();
    for (let time = 0; time < 100_000; time += 1) log.append('stdout', Buffer.from('x'), time);
    expect(readAll(log).length).toBeLessThan(1200);
    expect(bytesOf(readAll(log), 'stdout').length).toBe(100_000);
  });

  it('counts what is skipped and does not keep it', () => {
    const log = logOf([{ stream: 'stderr', bytes: Buffer.from('abc'), time: 0 }]);
    log.skip('stderr', 10);
    expect(log.written).toEqual({ stdout: 0, stderr: 13 });
    expect(log.unacknowledged('stderr')).toBe(0);
  });
});
