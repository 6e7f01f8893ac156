// How bytes travel inside a JSON event: as `text` where they are valid UTF-8 by themselves and grow by less than a third,
// as `base64` everywhere else. Nothing is ever replaced or held back.

/** Bytes an ASCII-only JSON string adds for each byte: an escape such as \n, a \u00XX, or a lead byte's \uXXXX. */
const GROWTH = Uint8Array.from({ length: 256 }, (_, byte) => growthOf(byte));

function growthOf(byte: number): number {
  if (byte === 0x22 || byte === 0x5c) return 1;
  if (byte < 0x20) return '\b\t\n\f\r'.includes(String.fromCharCode(byte)) ? 1 : 5;
  if (byte < 0xc0) return 0;
  if (byte < 0xe0) return 4;
  return byte < 0xf0 ? 3 : 8;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The JSON member that carries `bytes`, ASCII only: `"text":"…"` or `"base64":"…"`. */
export function formatPayload(bytes: Buffer): string {
  const text = toSmallText(bytes);
  return text === undefined ? `"base64":"${bytes.toString('base64')}"` : `"text":${toAsciiJson(text)}`;
}

/** The bytes as text where the rule above lets them travel so. Leaves at the first byte that settles it otherwise. */
function toSmallText(bytes: Buffer): string | undefined {
  const limit = bytes.length / 3;
  let growth = 0;
  let isAscii = true;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number;
    growth += GROWTH[byte] as number;
    if (growth >= limit) return undefined;
    if (byte < 0x80) continue;
    isAscii = false;
    // A lead byte without its continuation: no UTF-8, as most binary data shows within a few bytes.
    if (byte >= 0xc0 && ((bytes[index + 1] ?? 0) & 0xc0) !== 0x80) return undefined;
  }
  return isAscii ? bytes.toString('latin1') : decodeStrictly(bytes);
}

function decodeStrictly(bytes: Buffer): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function toAsciiJson(text: string): string {
  return JSON.stringify(text).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** @throws TypeError where there is neither `text` nor `base64`. */
export function parsePayload(data: Record<string, unknown>): Buffer {
  if (typeof data['base64'] === 'string') return Buffer.from(data['base64'], 'base64');
  if (typeof data['text'] === 'string') return Buffer.from(data['text'], 'utf8');
  throw new TypeError('An output event has neither text nor base64');
}
