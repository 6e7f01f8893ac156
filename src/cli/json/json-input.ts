import type { StdinSource } from '../../client/stdin-source.ts';
import { SbxError, type ErrorBody } from '../../protocol/errors.ts';
import { Handover } from './handover.ts';
import { parseInputRequest } from './input-request.ts';
import { LineSplitter, MAX_LINE_BYTES, type Line } from './line-splitter.ts';

/** What is passed on at once, in bytes. */
const PIECE = 64 * 1024;

export interface JsonInputTools {
  /** Nothing is read before this resolves. */
  readonly started: Promise<void>;
  /** Sends a signal to the command. */
  readonly signal: (name: string) => void;
  /** Tells of a line that is no request; resolves when that is written. */
  readonly tellError: (line: number, error: ErrorBody) => Promise<void>;
}

/**
 * `--json-input`: our stdin is requests, a line each, which are obeyed one after another and read no further than the
 * command takes its stdin. Requests are read on when that has ended: a signal may follow.
 */
export class JsonInput {
  /** The stdin of the command. */
  readonly source = new Handover();
  readonly #requests: StdinSource;
  readonly #tools: JsonInputTools;
  readonly #lines = new LineSplitter();
  #isEnded = false;
  #isClosed = false;

  constructor(requests: StdinSource, tools: JsonInputTools) {
    this.#requests = requests;
    this.#tools = tools;
    this.#tools.started
      .then(() => this.#readAll())
      .catch((error: unknown) => {
        this.source.fail(error as Error);
      });
  }

  /** The command has ended, and nobody reads requests any more: their writer meets SIGPIPE. */
  close(): void {
    this.#isClosed = true;
    this.source.destroy();
    this.#requests.destroy();
  }

  async #readAll(): Promise<void> {
    for (;;) {
      const chunk = this.#isClosed ? null : await this.#requests.read();
      if (chunk === null) break;
      for (const line of this.#lines.push(chunk)) await this.#takeLine(line);
    }
    const last = this.#lines.end();
    if (last !== undefined) await this.#takeLine(last);
    await this.source.end();
  }

  async #takeLine(line: Line): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#obey(line);
    } catch (error) {
      if (!(error instanceof SbxError)) throw error;
      await this.#tools.tellError(line.number, error.toBody());
    }
  }

  async #obey({ bytes }: Line): Promise<void> {
    if (bytes === undefined) {
      const hint = 'Send stdin in several requests';
      throw new SbxError('invalid_argument', `The line is longer than ${MAX_LINE_BYTES} bytes`, { hint });
    }
    if (isBlank(bytes)) return;
    const request = parseInputRequest(bytes);
    switch (request.type) {
      case 'stdin':
        await this.#write(request.bytes);
        break;
      case 'eof':
        this.#isEnded = true;
        await this.source.end();
        break;
      case 'signal':
        this.#tools.signal(request.signal);
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#isEnded) throw new SbxError('stdin_ended', 'Cannot write to stdin: it was ended');
    for (let at = 0; at < bytes.length; at += PIECE) await this.source.give(bytes.subarray(at, at + PIECE));
  }
}

/** Space, tab, and the carriage return of a line that ends with two characters. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
