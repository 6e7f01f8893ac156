import { EventEmitter, on } from 'node:events';
import type { Readable, Writable } from 'node:stream';

interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** JSON-RPC with headers, as language servers speak it on their stdin and stdout. */
export class JsonRpc {
  readonly #output: Writable;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #notifications = new EventEmitter();
  #pending = Buffer.alloc(0);
  #lastId = 0;

  constructor(output: Writable, input: Readable) {
    this.#output = output;
    input.on('data', (chunk: Buffer) => {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      while (this.#takeMessage());
    });
  }

  async request<Result>(method: string, params: unknown): Promise<Result> {
    const id = (this.#lastId += 1);
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#send({ id, method, params });
    const { result, error } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result as Result;
  }

  notify(method: string, params: unknown): void {
    this.#send({ method, params });
  }

  /** The notifications of this name from now on, of which none is missed. */
  notifications(method: string): AsyncIterable<unknown[]> {
    return on(this.#notifications, method);
  }

  #send(message: Message): void {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
    this.#output.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]));
  }

  #takeMessage(): boolean {
    const start = this.#pending.indexOf('\r\n\r\n') + 4;
    const length = Number(/Content-Length: (\d+)/i.exec(this.#pending.toString('latin1', 0, start))?.[1]);
    if (start < 4 || this.#pending.length < start + length) return false;
    const body = this.#pending.toString('utf8', start, start + length);
    this.#pending = this.#pending.subarray(start + length);
    this.#take(JSON.parse(body) as Message);
    return true;
  }

  #take(message: Message): void {
    const { id, method, params } = message;
    if (method === undefined) {
      this.#waiting.get(id as number)?.(message);
      this.#waiting.delete(id as number);
    } else if (id === undefined) this.#notifications.emit(method, params);
    else this.#send({ id, result: null }); // a request of the server's: we have nothing to say
  }
}
