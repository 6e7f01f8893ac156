/** One event of a `text/event-stream`, as the WHATWG standard dispatches it. */
export interface SseEvent {
  /** `message` where the stream names none. */
  readonly event: string;
  /** The last id the stream has set, which holds until another is set. */
  readonly id: string;
  readonly data: string;
}

const LF = 10;
const CR = 13;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Parses a Server-Sent Events stream from bytes that are split anywhere
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
 * An event that the stream does not complete with an empty line is not given.
 */
export class SseParser {
  readonly #onEvent: (event: SseEvent) => void;
  /** The beginning of a line whose end has not come: a copy, so that the chunks need not be kept. */
  #pending = Buffer.alloc(1024);
  #pendingLength = 0;
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
    let start = 0;
    for (let line = this.#findLine(chunk, start); line !== undefined; line = this.#findLine(chunk, start)) {
      if (!line.isRestOfCrLf) this.#takeLine(chunk.subarray(start, line.end));
      start = line.end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** Where the next line ends: at CR, LF or CRLF, of which the LF may come with a later chunk. */
  #findLine(chunk: Buffer, start: number): { end: number; isRestOfCrLf: boolean } | undefined {
    if (start >= chunk.length) return undefined;
    const isRestOfCrLf = this.#isAfterCr && chunk[start] === LF;
    this.#isAfterCr = false;
    if (isRestOfCrLf) return { end: start, isRestOfCrLf };
    const lf = chunk.indexOf(LF, start);
    // Looked for in this line only: where none are, each is looked for once.
    const cr = (lf === -1 ? chunk.subarray(start) : chunk.subarray(start, lf)).indexOf(CR);
    if (cr === -1) return lf === -1 ? undefined : { end: lf, isRestOfCrLf };
    this.#isAfterCr = true;
    return { end: start + cr, isRestOfCrLf };
  }

  #keep(bytes: Buffer): void {
    const length = this.#pendingLength + bytes.length;
    if (length > this.#pending.length) {
      const larger = Buffer.allocUnsafe(2 * length);
      this.#pending.copy(larger, 0, 0, this.#pendingLength);
      this.#pending = larger;
    }
    bytes.copy(this.#pending, this.#pendingLength);
    this.#pendingLength = length;
  }

  #takeLine(tail: Buffer): void {
    let line = tail;
    if (this.#pendingLength > 0) {
      this.#keep(tail);
      line = this.#pending.subarray(0, this.#pendingLength);
      this.#pendingLength = 0;
    }
    if (this.#isFirstLine) {
      this.#isFirstLine = false;
      if (line.subarray(0, 3).equals(BOM)) line = line.subarray(3);
    }
    if (line.length === 0) this.#dispatch();
    else this.#takeField(line);
  }

  #takeField(line: Buffer): void {
    const colon = line.indexOf(0x3a);
    if (colon === 0) return;
    const name = line.toString('utf8', 0, colon === -1 ? line.length : colon);
    const start = line[colon + 1] === 0x20 ? colon + 2 : colon + 1;
    const value = colon === -1 ? '' : line.toString('utf8', start, line.length);
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
