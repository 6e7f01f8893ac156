import { Socket, type SocketConstructorOpts } from 'node:net';
import { PROTOCOL } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { ResponseParser, type ResponseHead } from './http-parser.ts';
import type {
  Answer,
  Connection,
  RequestOptions,
  StreamAnswer,
  Transport,
  UpgradedConnection,
  UpgradeOptions,
  Upload,
} from './transport.ts';

/**
 * HTTP/1.1 over a Unix socket, on node:net alone: node:http would cost each command more start-up than all else of
 * ours together.
 */
export function createLocalTransport(socketPath: string): Transport {
  return {
    connect: async () => {
      const connection = new LocalConnection(socketPath);
      await connection.opened;
      return connection;
    },
  };
}

function unreachable(path: string, cause: Error): SbxError {
  return new SbxError('server_unreachable', `Cannot reach the server at unix://${path}: ${cause.message}`, {
    cause,
  });
}

/** What waits for the answer that is under way. */
interface Pending {
  head(head: ResponseHead): void;
  body(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

/** What may wait in the socket while more of an upload is read, in bytes. */
const QUEUED = 256 * 1024;

const SMALL = 4096;

/** One buffer for what all connections read: each read is parsed before the next. */
const readBuffer = Buffer.allocUnsafeSlow(128 * 1024);

class LocalConnection implements Connection {
  /** Rejects where nobody listens. */
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  readonly #path: string;
  /** Requests without their answers, which come in the same order. */
  readonly #pending: Pending[] = [];
  #failure: Error | undefined;

  constructor(path: string) {
    this.#path = path;
    const parser = this.#createParser();
    const callback = (length: number): boolean => {
      try {
        parser.push(readBuffer.subarray(0, length));
      } catch (error) {
        this.#fail(error as Error);
      }
      return true;
    };
    const onread = { buffer: readBuffer, callback };
    this.#socket = new Socket({ onread, writableHighWaterMark: QUEUED } as SocketConstructorOpts).connect({
      path,
    });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.on('error', (error) => {
        const failure = this.#fail(error);
        reject(failure);
      });
    });
    this.#socket.on('close', () => {
      if (!parser.finish()) this.#fail(new Error('the server closed the connection'));
    });
  }

  #createParser(): ResponseParser {
    return new ResponseParser({
      head: (head) => this.#pending[0]?.head(head),
      body: (chunk) => this.#pending[0]?.body(chunk),
      end: () => this.#pending.shift()?.end(),
    });
  }

  request(options: RequestOptions): Promise<Answer> {
    return this.#begin((pending) => {
      this.#send(options);
      return collect(pending);
    });
  }

  stream(options: RequestOptions): Promise<StreamAnswer> {
    return this.#begin((pending) => {
      this.#send(options);
      return open(pending);
    });
  }

  upload(path: string): Upload {
    let isAnswered = false;
    const answer = this.#begin((pending) => {
      this.#write(
        `${this.#head('POST', path)}content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      return collect(pending);
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
        return answer;
      },
    };
  }

  close(): void {
    this.#socket.destroy();
  }

  upgrade({ path, protocol, first }: UpgradeOptions): UpgradedConnection {
    const answer = this.#begin((pending) => {
      const head = `${this.#head('GET', path)}connection: upgrade\r\nupgrade: ${protocol}\r\n\r\n`;
      this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), first]));
      return open(pending);
    });
    return { answer, write: (pieces) => this.#writeTogether(pieces), drained: () => this.#drained() };
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

  #begin<T>(start: (pending: (handlers: Pending) => void) => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return start((handlers) => {
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
    return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nsbx-protocol: ${PROTOCOL}\r\n`;
  }

  #write(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** The first failure is the one that counts. */
  #fail(cause: Error): Error {
    if (this.#failure !== undefined) return this.#failure;
    const failure = unreachable(this.#path, cause);
    this.#failure = failure;
    this.#socket.destroy();
    for (const failed of this.#pending.splice(0)) failed.fail(failure);
    return failure;
  }
}

/** The whole answer. */
function collect(setPending: (pending: Pending) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status = 0;
    setPending({
      head: (head) => {
        status = head.status;
      },
      body: (chunk) => chunks.push(Buffer.from(chunk)),
      end: () => {
        resolve({ status, body: Buffer.concat(chunks) });
      },
      fail: reject,
    });
  });
}

/** The answer as soon as its head has come. */
function open(setPending: (pending: Pending) => void): Promise<StreamAnswer> {
  return new Promise((resolve, reject) => {
    const early: Buffer[] = [];
    let onChunk = (chunk: Buffer): void => void early.push(Buffer.from(chunk));
    const ended = new Promise<void>((resolveEnd, rejectEnd) => {
      setPending({
        head: ({ status }) => {
          resolve({ status, read, readAll });
        },
        body: (chunk) => {
          onChunk(chunk);
        },
        end: resolveEnd,
        fail: (error) => {
          reject(error);
          rejectEnd(error);
        },
      });
    });
    // Whoever never reads is not told twice.
    ended.catch(() => undefined);
    const read = (take: (chunk: Buffer) => void): Promise<void> => {
      for (const chunk of early.splice(0)) take(chunk);
      onChunk = take;
      return ended;
    };
    const readAll = async (): Promise<Buffer> => {
      const body: Buffer[] = [];
      await read((chunk) => body.push(Buffer.from(chunk)));
      return Buffer.concat(body);
    };
  });
}
