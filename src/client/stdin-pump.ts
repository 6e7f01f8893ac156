import { routes, STDIN_BODY, type StdinAnswer } from '../protocol/api.ts';
import { parseAnswer, requestJson } from './answers.ts';
import type { StdinSource } from './stdin-source.ts';
import type { Connection, Upload } from './transport.ts';

interface Body {
  readonly upload: Upload;
  readonly timer: NodeJS.Timeout;
  bytes: number;
}

/**
 * Forwards stdin in bodies addressed by offset, each chunk as it arrives. A body ends by itself after
 * {@link STDIN_BODY}, because proxies limit how long and how large one may be.
 */
export class StdinPump {
  readonly #connection: Connection;
  readonly #id: string;
  readonly #source: StdinSource;
  #offset = 0;
  #body: Body | undefined;
  /** Resolves when all complete bodies are answered; the next one does not wait for it. */
  #answered: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #isStopped = false;

  constructor(connection: Connection, id: string, source: StdinSource) {
    this.#connection = connection;
    this.#id = id;
    this.#source = source;
  }

  /** Resolves when stdin has ended and the server knows, or when nobody can read more of it. */
  async run(): Promise<void> {
    for (;;) {
      const chunk = await this.#source.read();
      if (this.#hasStopped()) return;
      if (this.#failure !== undefined) throw this.#failure;
      if (chunk === null) break;
      await this.#send(chunk);
    }
    this.#endBody();
    await this.#answered;
    if (this.#hasStopped()) return;
    const json = { offset: this.#offset };
    await requestJson(this.#connection, {
      method: 'POST',
      path: routes.stdinEnd(this.#id),
      json,
    });
  }

  /** Nobody can read more of it. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#body?.timer);
    this.#source.destroy();
  }

  #hasStopped(): boolean {
    return this.#isStopped;
  }

  async #send(chunk: Buffer): Promise<void> {
    this.#body ??= this.#beginBody();
    const body = this.#body;
    body.bytes += chunk.length;
    this.#offset += chunk.length;
    const isWanted = await body.upload.write(chunk);
    if (!isWanted || body.bytes >= STDIN_BODY.bytes) this.#endBody();
  }

  #beginBody(): Body {
    const upload = this.#connection.upload(routes.stdin(this.#id, this.#offset));
    const timer = setTimeout(() => {
      this.#endBody();
    }, STDIN_BODY.ms);
    return { upload, bytes: 0, timer };
  }

  #endBody(): void {
    const body = this.#body;
    if (body === undefined) return;
    this.#body = undefined;
    clearTimeout(body.timer);
    const answer = body.upload.end();
    this.#answered = this.#answered.then(async () => {
      const { closed } = parseAnswer(await answer) as StdinAnswer;
      if (closed) this.stop();
    });
    this.#answered.catch((error: unknown) => {
      this.#failure ??= error as Error;
    });
  }
}
