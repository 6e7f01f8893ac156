import { expect } from 'vitest';
import { ByteReader, toSha256 } from './byte-reader.ts';
import type { Home } from './home.ts';

export interface Ended {
  readonly status: number | undefined;
  /** What had not been read before. */
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** A running `sbx exec --stream`, with a reader that misses nothing. */
export function startStreaming(home: Home, args: readonly string[]) {
  const child = home.start(['exec', '--stream', ...args]);
  // A command that reads none of it closes it here.
  child.stdin.on('error', () => undefined);
  const stdout = new ByteReader(child.stdout);
  // Read at once: what nobody reads keeps a child from its end.
  const stderr = new ByteReader(child.stderr).rest();
  const finish = async (): Promise<Ended> => {
    const rest = await stdout.rest();
    return { stdout: rest, stderr: await stderr, status: (await child).exitCode };
  };
  return { child, stdout, finish, write: (bytes: string | Buffer) => child.stdin.write(bytes) };
}

/** Runs a command with these bytes on its stdin to its end. */
export async function stream(home: Home, args: readonly string[], stdin: Buffer | string): Promise<Ended> {
  const run = startStreaming(home, args);
  run.child.stdin.end(stdin);
  return run.finish();
}

/** An end with this status, and nothing else to read than this on stdout. */
export function expectEnd(
  { status, stdout, stderr }: Ended,
  wanted: { status: number; stdout?: string },
): void {
  const texts = { stdout: stdout.toString(), stderr: stderr.toString() };
  expect({ status, ...texts }).toEqual({ stdout: '', stderr: '', ...wanted });
}

/** Nobody knows how it ended, and that is said. */
export function expectLost({ status, stdout, stderr }: Ended, why = ''): void {
  expect({ status, stdout: stdout.toString() }).toEqual({ status: 125, stdout: '' });
  expect(stderr.toString()).toMatch(/^sbx: session ended without exit event: \S.*\n/);
  expect(stderr.toString()).toContain(why);
}

const ZERO = '0'.charCodeAt(0);
const NINE = '9'.charCodeAt(0);

/** Equal bytes, said without the bytes: where they differ first, if they do. */
export function expectSameBytes(got: Buffer, wanted: Buffer): void {
  const length = Math.min(got.length, wanted.length);
  const isPrefix = got.subarray(0, length).equals(wanted.subarray(0, length));
  const difference = isPrefix ? undefined : wanted.findIndex((byte, at) => byte !== got[at]);
  expect({ length: got.length, difference }).toEqual({ length: wanted.length, difference: undefined });
  expect(toSha256(got)).toBe(toSha256(wanted));
}

/** Writes numbers for ever, ten bytes each with the newline: {@link toNumbers} has them. */
export const COUNTER = ['seq', '100000000', '999999999'] as const;

/** The first bytes that {@link COUNTER} writes. Digit by digit: of millions of strings they would take seconds. */
export function toNumbers(bytes: number): Buffer {
  const numbers = Buffer.allocUnsafe(Math.ceil(bytes / 10) * 10);
  numbers.write('100000000\n');
  for (let at = 10; at < numbers.length; at += 10) {
    numbers.copyWithin(at, at - 10, at);
    let digit = at + 8;
    for (; numbers[digit] === NINE; digit -= 1) numbers[digit] = ZERO;
    numbers[digit]! += 1;
  }
  return numbers.subarray(0, bytes);
}
