import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/**
 * Reads a stream only when it is told to, and only as far. To be made as soon as the process is started: execa and
 * Node throw away what nobody has asked for.
 */
export class ByteReader {
  readonly #stream: Readable;
  readonly #ended: Promise<unknown>;
  #wake: () => void = () => undefined;
  #pending = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#stream = stream;
    this.#ended = once(stream, 'close');
    stream.on('readable', () => {
      this.#wake();
    });
  }

  /** The next bytes, as many as have come; at least one, or none at the end. */
  async next(): Promise<Buffer> {
    const pending = this.#pending;
    this.#pending = Buffer.alloc(0);
    if (pending.length > 0) return pending;
    for (;;) {
      const readable = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const bytes = this.#stream.read() as Buffer | null;
      if (bytes !== null) return bytes;
      if (this.#stream.closed) return Buffer.alloc(0);
      await Promise.race([readable, this.#ended]);
    }
  }

  /** The next line without its newline; what is left, at the end. */
  async line(): Promise<string> {
    let bytes = Buffer.alloc(0);
    for (;;) {
      const more = await this.next();
      bytes = Buffer.concat([bytes, more]);
      const end = bytes.indexOf('\n');
      if (end === -1 && more.length > 0) continue;
      if (end === -1) return bytes.toString();
      this.#pending = bytes.subarray(end + 1);
      return bytes.toString('utf8', 0, end);
    }
  }

  /** Everything up to the end. */
  async rest(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let chunk = await this.next(); chunk.length > 0; chunk = await this.next()) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}

export function toSha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
