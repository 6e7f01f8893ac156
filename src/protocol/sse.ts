/** One event of a `text/event-stream`, as the WHATWG standard dispatches it. */
export interface SseEvent {
  /** `message` where the stream names none. */
  readonly event: string;
  /** The last id the stream has set, which holds until another is set. */
  readonly id: string;
  readonly data: string;
}

/**
 * Parses a Server-Sent Events stream from bytes that are split anywhere
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
 * An event that the stream does not complete with an empty line is not given.
 */
export class SseParser {
  readonly #onEvent: (event: SseEvent) => void;
  /** The beginning of a character whose last bytes have not come. */
  #cut: Buffer | undefined;
  /** The beginning of a line whose end has not come. */
  #pending = '';
  #isAfterCr = false;
  #isFirstLine = true;
  #event = '';
  #id = '';
  #data: string | undefined;

  constructor(onEvent: (event: SseEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Takes the next bytes, which may be used again when it returns. */
  push(chunk: Buffer): void {
    const text = this.#pending + this.#unifyLineEnds(this.#decode(chunk));
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      this.#takeLine(text.slice(start, end));
      start = end + 1;
    }
    this.#pending = text.slice(start);
  }

  /** UTF-8, but for a character at the end that is not complete. */
  #decode(chunk: Buffer): string {
    const bytes = this.#cut === undefined ? chunk : Buffer.concat([this.#cut, chunk]);
    const whole = bytes.length - countCutBytes(bytes);
    this.#cut = whole === bytes.length ? undefined : Buffer.from(bytes.subarray(whole));
    return bytes.toString('utf8', 0, whole);
  }

  /** CR and CRLF become LF; the LF of a CRLF may come with a later chunk. */
  #unifyLineEnds(text: string): string {
    if (text === '') return text;
    const rest = this.#isAfterCr && text.startsWith('\n') ? text.slice(1) : text;
    this.#isAfterCr = text.endsWith('\r');
    return rest.includes('\r') ? rest.replace(/\r\n?/g, '\n') : rest;
  }

  #takeLine(text: string): void {
    let line = text;
    if (this.#isFirstLine) {
      this.#isFirstLine = false;
      if (line.startsWith('\ufeff')) line = line.slice(1);
    }
    if (line === '') this.#dispatch();
    else this.#takeField(line);
  }

  #takeField(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
  }

  #dispatch(): void {
    const { event, data, id } = { event: this.#event, data: this.#data, id: this.#id };
    this.#event = '';
    this.#data = undefined;
    if (data !== undefined) this.#onEvent({ event: event || 'message', id, data });
  }
}

/** How many bytes at the end begin a UTF-8 character that goes on behind it. */
function countCutBytes(bytes: Buffer): number {
  const last = bytes[bytes.length - 1] ?? 0;
  if (last < 0x80) return 0;
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte >= 0xc0) return back < (byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}
