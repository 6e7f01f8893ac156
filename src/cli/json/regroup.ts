/**
 * The same bytes in pieces that end where a group ends; what is left at the very end comes last, whatever it is.
 * `countLeft` says how many bytes at the end begin a group that goes on behind them.
 */
export function* regroup(
  chunks: Iterable<Buffer>,
  countLeft: (bytes: Buffer) => number,
): Generator<Buffer, void> {
  let left = Buffer.alloc(0);
  for (const chunk of chunks) {
    const bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
    const whole = bytes.length - countLeft(bytes);
    left = Buffer.from(bytes.subarray(whole));
    if (whole > 0) yield bytes.subarray(0, whole);
  }
  if (left.length > 0) yield left;
}

/** Groups of three, which base64 turns into four characters without padding. */
export function countBeyondTriples(bytes: Buffer): number {
  return bytes.length % 3;
}

/** Characters of UTF-8. Bytes that are none are left where they are. */
export function countCutCharacter(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4) ? back : 0;
  }
  return 0;
}
