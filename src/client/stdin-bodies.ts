import { routes, STDIN_BODY, type StdinAnswer } from '../protocol/api.ts';
import { parseAnswer, requestJson } from './answers.ts';
import type { PathTraits } from './path-traits.ts';
import type { StdinCursor, StdinPiece } from './stdin-queue.ts';
import type { Answer, Connection, Upload } from './transport.ts';

/** How long the head of a body may take to be seen by the server, in milliseconds: what takes longer collects bodies. */
const HEAD_MS = 1_000;

export interface StdinBodiesOptions {
  readonly connection: Connection;
  readonly id: string;
  readonly client: string;
  /** What is known of the way to the server, and what is learnt of it here. */
  readonly traits: PathTraits;
  /** The server has all before this offset. */
  readonly onAccepted: (answer: StdinAnswer) => void;
}

interface Body {
  readonly offset: number;
  readonly upload: Upload;
  /** Resolves when it is answered, and so all before it. */
  readonly answered: Promise<void>;
  /** End it when it is old, or when its head was not seen. */
  readonly timers: readonly NodeJS.Timeout[];
  bytes: number;
}

/**
 * Forwards stdin in bodies addressed by offset, each chunk as it arrives. A body ends by itself after
 * {@link STDIN_BODY}, because proxies limit how long and how large one may be. Where the way to the server is seen to
 * collect bodies, each chunk is a body of its own.
 */
export class StdinBodies {
  readonly #options: StdinBodiesOptions;
  #body: Body | undefined;
  /** Resolves when the last body that has ended is answered; the next one does not wait for it. */
  #answered: Promise<void> = Promise.resolve();
  #unanswered = 0;
  #isStopped = false;
  #onBroken: (error: Error) => void = () => undefined;
  /** Rejects with what goes wrong with a body, also while nobody sends. */
  readonly #broken = new Promise<never>((_resolve, reject) => {
    this.#onBroken = reject;
  });

  constructor(options: StdinBodiesOptions) {
    this.#options = options;
    this.#broken.catch(() => undefined);
  }

  /**
   * Resolves when stdin has ended and the server knows, or when nothing more is to be sent here.
   * @throws SbxError what the server refuses it with; `server_unreachable`; `input_failed`
   */
  async run(cursor: StdinCursor): Promise<void> {
    await Promise.race([this.#sendAll(cursor), this.#broken]);
  }

  /** The server tells that it has seen the head of the body that begins there. */
  hearHead(offset: number): void {
    // Of one that has been completed it would say nothing.
    if (this.#body?.offset === offset) this.#options.traits.collectsBodies ??= false;
  }

  /** Nobody can read more of it, or the connection is not used any more. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#body?.timers ?? []) clearTimeout(timer);
  }

  #hasStopped(): boolean {
    return this.#isStopped;
  }

  async #sendAll(cursor: StdinCursor): Promise<void> {
    for (;;) {
      const piece = await cursor.next();
      if (piece === undefined || this.#hasStopped()) return;
      if (piece === null) break;
      await this.#send(piece);
    }
    this.#endBody();
    await this.#answered;
    if (this.#hasStopped()) return;
    const { connection, id, client } = this.#options;
    const json = { offset: cursor.offset, client };
    await requestJson(connection, { method: 'POST', path: routes.stdinEnd(id), json });
  }

  async #send({ offset, bytes }: StdinPiece): Promise<void> {
    this.#body ??= this.#beginBody(offset);
    const body = this.#body;
    body.bytes += bytes.length;
    const isWanted = await body.upload.write(bytes);
    if (this.#options.traits.collectsBodies === true) this.#endBody();
    else if (!isWanted || body.bytes >= STDIN_BODY.bytes) this.#endBody();
    // Not more than a body ahead of the answers.
    if (this.#unanswered >= STDIN_BODY.bytes) await this.#answered;
  }

  #beginBody(offset: number): Body {
    const { connection, id, client, traits } = this.#options;
    const upload = connection.upload(routes.stdin(id, offset, client));
    const endIfOld = setTimeout(() => {
      this.#endBody();
    }, STDIN_BODY.ms);
    const endIfUnseen = setTimeout(() => {
      traits.collectsBodies ??= true;
      if (traits.collectsBodies) this.#endBody();
    }, HEAD_MS);
    const answered = upload.answer.then((answer) => {
      this.#takeAnswer(body, answer);
    });
    answered.catch((error: unknown) => {
      this.#onBroken(error as Error);
    });
    const body: Body = { offset, upload, answered, bytes: 0, timers: [endIfOld, endIfUnseen] };
    return body;
  }

  #endBody(): void {
    const body = this.#body;
    if (body === undefined) return;
    this.#body = undefined;
    for (const timer of body.timers) clearTimeout(timer);
    this.#unanswered += body.bytes;
    this.#answered = body.answered;
    body.upload.end();
  }

  #takeAnswer(body: Body, answer: Answer): void {
    const taken = parseAnswer(answer) as StdinAnswer;
    this.#unanswered -= body.bytes;
    this.#options.onAccepted(taken);
    if (taken.closed) this.stop();
    else if (body === this.#body) throw new Error('a body was answered before its end');
  }
}
