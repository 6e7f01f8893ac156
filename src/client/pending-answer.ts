import type { ResponseHead } from './http-parser.ts';
import type { Answer, StreamAnswer } from './transport.ts';

/** What waits for the answer that is under way. */
export interface PendingAnswer {
  head(head: ResponseHead): void;
  body(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

/** The whole answer. */
export function collectAnswer(setPending: (pending: PendingAnswer) => void): Promise<Answer> {
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
export function openAnswer(setPending: (pending: PendingAnswer) => void): Promise<StreamAnswer> {
  return new Promise((resolve, reject) => {
    const early: Buffer[] = [];
    let onChunk = (chunk: Buffer): void => void early.push(Buffer.from(chunk));
    const ended = new Promise<void>((resolveEnd, rejectEnd) => {
      setPending({
        head: ({ status, headers }) => {
          resolve({ status, contentType: headers.get('content-type') ?? '', read, readAll });
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
