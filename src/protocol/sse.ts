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
  /** Pieces of a line whose end has not come. */
  #pieces: Buffer[] = [];
  #isAfterCr = false;
  #isFirstLine = true;
  #event = '';
  #id = '';
  #data: string | undefined;

  constructor(onEvent: (event: SseEvent) => void) {
    this.#onEvent = onEvent;
  }

  push(chunk: Buffer): void {
    let start = 0;
    if (this.#isAfterCr && chunk.length > 0) {
      this.#isAfterCr = false;
      if (chunk[0] === LF) start = 1;
    }
    let nextCr = chunk.indexOf(CR, start);
    let nextLf = chunk.indexOf(LF, start);
    while (nextCr !== -1 || nextLf !== -1) {
      const endsWithCr = nextLf === -1 || (nextCr !== -1 && nextCr < nextLf);
      const end = endsWithCr ? nextCr : nextLf;
      this.#takeLine(chunk.subarray(start, end));
      start = end + 1;
      if (endsWithCr && start === chunk.length) this.#isAfterCr = true;
      if (endsWithCr && nextLf === start) start += 1;
      if (nextCr !== -1 && nextCr < start) nextCr = chunk.indexOf(CR, start);
      if (nextLf !== -1 && nextLf < start) nextLf = chunk.indexOf(LF, start);
    }
    if (start < chunk.length) this.#pieces.push(chunk.subarray(start));
  }

  #takeLine(tail: Buffer): void {
    let line = tail;
    if (this.#pieces.length > 0) {
      line = Buffer.concat([...this.#pieces, tail]);
      this.#pieces = [];
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
