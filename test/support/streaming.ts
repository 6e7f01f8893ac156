import { expect } from 'vitest';
import { ByteReader, toSha256 } from './byte-reader.ts';
import type { Home } from './home.ts';

/** A running `sbx exec --stream`, with readers that miss nothing. */
export function startStreaming(home: Home, args: readonly string[]) {
  const child = home.start(['exec', '--stream', ...args]);
  return {
    child,
    stdout: new ByteReader(child.stdout),
    stderr: new ByteReader(child.stderr),
    write: (bytes: string | Buffer) => child.stdin.write(bytes),
  };
}

export interface Ended {
  readonly status: number | undefined;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a command with these bytes on its stdin to its end. */
export async function stream(home: Home, args: readonly string[], stdin: Buffer | string): Promise<Ended> {
  const run = startStreaming(home, args);
  // A command that reads none of it closes it here.
  run.child.stdin.on('error', () => undefined);
  run.child.stdin.end(stdin);
  const [stdout, stderr] = await Promise.all([run.stdout.rest(), run.stderr.rest()]);
  const { exitCode } = await run.child;
  return { status: exitCode, stdout, stderr: stderr.toString() };
}

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

/** The first bytes that {@link COUNTER} writes. */
export function toNumbers(bytes: number): Buffer {
  const count = Math.ceil(bytes / 10);
  const text = Array.from({ length: count }, (_, at) => `${100_000_000 + at}\n`).join('');
  return Buffer.from(text, 'latin1').subarray(0, bytes);
}
