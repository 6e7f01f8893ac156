import type { Socket } from 'node:net';
import { PROTOCOL } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { ResponseParser, type ResponseHead } from './http-parser.ts';
import { openSocket, toHostHeader } from './open-socket.ts';
import { collectAnswer, openAnswer, type PendingAnswer } from './pending-answer.ts';
import type { ServerAddress } from './server-address.ts';
import type {
  Answer,
  Connection,
  RequestOptions,
  StreamAnswer,
  UpgradedConnection,
  UpgradeOptions,
  Upload,
} from './transport.ts';

export interface HttpConnectionOptions {
  readonly address: ServerAddress;
  /** Makes the error for people of what went wrong on the way. */
  readonly toError: (cause: Error) => Error;
  /** Ends an attempt to connect that is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** What is small enough to be copied, in bytes. */
const SMALL = 4096;

/**
 * Connects, and speaks HTTP/1.1 from then on.
 * @throws what `toError` makes of it where nobody listens
 */
export async function openHttpConnection(options: HttpConnectionOptions): Promise<Connection> {
  // Nothing comes before anything was asked.
  let receive = (_bytes: Buffer): void => undefined;
  const take = (bytes: Buffer): void => {
    receive(bytes);
  };
  const { address, signal, toError } = options;
  const socket = await openSocket({ address, take, signal }).catch((error: unknown) => {
    throw toError(error as Error);
  });
  const connection = new HttpConnection(socket, options);
  receive = (bytes) => {
    connection.take(bytes);
  };
  return connection;
}

class HttpConnection implements Connection {
  readonly #socket: Socket;
  readonly #parser = this.#createParser();
  readonly #toError: (cause: Error) => Error;
  readonly #host: string;
  readonly #prefix: string;
  /** Requests without their answers, which come in the same order. */
  readonly #pending: PendingAnswer[] = [];
  #failure: Error | undefined;
  /** The server has said that it closes the connection behind its answer. */
  #isLast = false;

  constructor(socket: Socket, { address, toError }: HttpConnectionOptions) {
    this.#socket = socket;
    this.#toError = toError;
    this.#host = toHostHeader(address);
    this.#prefix = address.kind === 'tcp' ? address.prefix : '';
    // Only what is under way keeps the process: a connection that nobody asks anything is no reason to stay.
    socket.unref();
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => {
      if (!this.#parser.finish()) this.#fail(new Error('the server closed the connection'));
    });
    if (socket.destroyed) this.#fail(new Error('the server closed the connection'));
  }

  get isOpen(): boolean {
    const { destroyed, readable, writable } = this.#socket;
    return this.#failure === undefined && !this.#isLast && !destroyed && readable && writable;
  }

  /** Takes what the socket has read. */
  take(bytes: Buffer): void {
    try {
      this.#parser.push(bytes);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #createParser(): ResponseParser {
    return new ResponseParser({
      head: (head) => {
        this.#isLast ||= isLastAnswer(head);
        this.#pending[0]?.head(head);
      },
      body: (chunk) => this.#pending[0]?.body(chunk),
      end: () => {
        this.#pending.shift()?.end();
        if (this.#pending.length === 0) this.#socket.unref();
      },
    });
  }

  request(options: RequestOptions): Promise<Answer> {
    return this.#begin((pending) => {
      this.#send(options);
      return collectAnswer(pending);
    });
  }

  stream(options: RequestOptions): Promise<StreamAnswer> {
    return this.#begin((pending) => {
      this.#send(options);
      return openAnswer(pending);
    });
  }

  upload(path: string): Upload {
    let isAnswered = false;
    const answer = this.#begin((pending) => {
      this.#write(
        `${this.#head('POST', path)}content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      return collectAnswer(pending);
    });
    const settle = (): void => {
      isAnswered = true;
    };
    answer.then(settle, settle);
    return {
      write: async (chunk) => {
        if (!isAnswered) await this.#writeChunk(chunk, answer);
        return !isAnswered;
      },
      end: () => {
        if (!isAnswered) this.#write('0\r\n\r\n');
      },
      answer,
    };
  }

  close(): void {
    this.#socket.destroy();
  }

  upgrade({ path, protocol, first }: UpgradeOptions): UpgradedConnection {
    const answer = this.#begin((pending) => {
      const head = `${this.#head('GET', path)}connection: upgrade\r\nupgrade: ${protocol}\r\n\r\n`;
      this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), first]));
      return openAnswer(pending);
    });
    return {
      answer,
      write: (pieces) => this.#writeTogether(pieces),
      drained: () => this.#drained(),
      flushed: () => this.#flushed(),
    };
  }

  /** A small piece is copied: one write of one buffer costs a turn less than two in a row. */
  #writeTogether(pieces: readonly Buffer[]): boolean {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length <= SMALL) return this.#socket.write(Buffer.concat(pieces, length));
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
    return !this.#socket.writableNeedDrain;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      if (this.#socket.destroyed) resolve();
      else this.#socket.on('drain', done).on('close', done);
    });
  }

  /** Writes are done in their order, and one that cannot be done is done with, too. */
  #flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write('', () => {
        resolve();
      });
    });
  }

  /** Frames one piece of an upload; resolves when the socket has room, or when nobody wants more of it. */
  #writeChunk(chunk: Buffer, answer: Promise<Answer>): Promise<unknown> | undefined {
    if (this.#writeFramed(chunk)) return undefined;
    const drained = new Promise<void>((resolve) => this.#socket.once('drain', resolve));
    return Promise.race([drained, answer]);
  }

  /** A small piece is copied: one write of one buffer costs a turn less than three in a row. */
  #writeFramed(chunk: Buffer): boolean {
    const size = `${chunk.length.toString(16)}\r\n`;
    if (chunk.length <= SMALL) {
      const framed = Buffer.allocUnsafe(size.length + chunk.length + 2);
      framed.write(size, 'latin1');
      chunk.copy(framed, size.length);
      framed.write('\r\n', size.length + chunk.length, 'latin1');
      return this.#socket.write(framed);
    }
    this.#socket.cork();
    this.#socket.write(size, 'latin1');
    this.#socket.write(chunk);
    const hasRoom = this.#socket.write('\r\n', 'latin1');
    this.#socket.uncork();
    return hasRoom;
  }

  #begin<T>(start: (pending: (handlers: PendingAnswer) => void) => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return start((handlers) => {
      this.#socket.ref();
      this.#pending.push(handlers);
    });
  }

  #send({ method, path, json, accept }: RequestOptions): void {
    const head = this.#head(method, path) + (accept === undefined ? '' : `accept: ${accept}\r\n`);
    if (json === undefined) {
      this.#write(`${head}\r\n`);
      return;
    }
    const body = Buffer.from(JSON.stringify(json));
    const headers = `${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    this.#socket.write(Buffer.concat([Buffer.from(headers, 'latin1'), body]));
  }

  #head(method: string, path: string): string {
    return `${method} ${this.#prefix}${path} HTTP/1.1\r\nhost: ${this.#host}\r\nsbx-protocol: ${PROTOCOL}\r\n`;
  }

  #write(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** The first failure is the one that counts. */
  #fail(cause: Error): Error {
    if (this.#failure !== undefined) return this.#failure;
    // What the server sent and nobody can read is not the fault of the way.
    const failure = cause instanceof SbxError ? cause : this.#toError(cause);
    this.#failure = failure;
    this.#socket.destroy();
    for (const failed of this.#pending.splice(0)) failed.fail(failure);
    return failure;
  }
}

function isLastAnswer({ headers }: ResponseHead): boolean {
  return /(?:^|,)\s*close\s*(?:,|$)/i.test(headers.get('connection') ?? '');
}
