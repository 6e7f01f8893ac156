/** The head of an HTTP/1.1 answer. Header names are lower case. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

export interface ResponseSink {
  head(head: ResponseHead): void;
  /** A piece of the body, without its framing; valid until the call returns. */
  body(chunk: Buffer): void;
  end(): void;
}

type State = 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers' | 'to-close';

const HEAD_LIMIT = 64 * 1024;

/**
 * Parses the answers on one HTTP/1.1 connection (RFC 9112), one after another, from bytes that are split anywhere.
 * @throws Error from `push`, where the bytes are no HTTP/1.1 answer
 */
export class ResponseParser {
  readonly #sink: ResponseSink;
  #state: State = 'head';
  #pending: Buffer | undefined;
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes, which may be used again when it returns. */
  push(chunk: Buffer): void {
    let rest = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = undefined;
    while (rest.length > 0) {
      const taken = this.#take(rest);
      if (taken === 0) {
        if (rest.length > HEAD_LIMIT) throw new Error('a head of an answer is too long');
        this.#pending = Buffer.from(rest);
        return;
      }
      rest = rest.subarray(taken);
    }
  }

  /** The connection has ended. True where that is where the answer ends. */
  finish(): boolean {
    if (this.#state !== 'to-close') return false;
    this.#endBody();
    return true;
  }

  /** Takes what it can from the front of `bytes`; 0 means that a line is not complete. */
  #take(bytes: Buffer): number {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(bytes);
      case 'body':
      case 'chunk':
        return this.#takeBody(bytes);
      case 'to-close':
        this.#sink.body(bytes);
        return bytes.length;
      default:
        return this.#takeLine(bytes);
    }
  }

  #takeHead(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n');
    if (end === -1) return 0;
    const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
    const match = /^HTTP\/1\.1 (\d{3})/.exec(statusLine);
    if (match === null) throw new Error(`not an HTTP/1.1 answer: ${JSON.stringify(statusLine.slice(0, 80))}`);
    const headers = new Map(lines.map(parseHeader));
    const status = Number(match[1]);
    if (status >= 200 || status === 101) this.#beginBody({ status, headers });
    return end + 4;
  }

  #beginBody(head: ResponseHead): void {
    this.#sink.head(head);
    const length = head.headers.get('content-length');
    if (head.status === 101) this.#state = 'to-close';
    else if (head.headers.get('transfer-encoding')?.endsWith('chunked')) this.#state = 'chunk-size';
    else if (head.status === 204 || head.status === 304 || length === '0') this.#endBody();
    else if (length === undefined) this.#state = 'to-close';
    else {
      this.#left = Number(length);
      this.#state = 'body';
    }
  }

  #takeBody(bytes: Buffer): number {
    const size = Math.min(this.#left, bytes.length);
    this.#left -= size;
    this.#sink.body(size === bytes.length ? bytes : bytes.subarray(0, size));
    if (this.#left === 0) {
      if (this.#state === 'chunk') this.#state = 'chunk-end';
      else this.#endBody();
    }
    return size;
  }

  #takeLine(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n');
    if (end === -1) return 0;
    if (this.#state === 'chunk-end') this.#state = 'chunk-size';
    else if (this.#state === 'trailers') {
      if (end === 0) this.#endBody();
    } else {
      const size = Number.parseInt(bytes.toString('latin1', 0, end), 16);
      if (Number.isNaN(size)) throw new Error('a chunk of an answer has no size');
      this.#left = size;
      this.#state = size === 0 ? 'trailers' : 'chunk';
    }
    return end + 2;
  }

  #endBody(): void {
    this.#state = 'head';
    this.#sink.end();
  }
}

function parseHeader(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
