import type { Socket } from 'node:net';
import { SbxError } from '../../protocol/errors.ts';
import {
  FrameParser,
  formatJsonFrame,
  type ChannelRequest,
  type DataHead,
  type OpeningRequest,
} from '../../protocol/frames.ts';
import type { Attached } from '../exec-registry.ts';

export interface ExecChannelOptions {
  /** @throws SbxError `invalid_argument` for what is no request */
  check(request: ChannelRequest): void;
  /** Shows an exec on this channel, and starts it where that is asked. @throws SbxError */
  open(request: OpeningRequest): Promise<Attached>;
}

/**
 * A connection that is one exec's alone, in frames both ways: its events go out, stdin and requests come in, and its end
 * is the client's going. What cannot be taken ends it with an `error` event.
 */
export class ExecChannel {
  readonly #socket: Socket;
  readonly #options: ExecChannelOptions;
  readonly #parser: FrameParser;
  #isOpened = false;
  #attached: Attached | undefined;
  /** The client left while its exec was being started. */
  #hasLeft = false;

  constructor(socket: Socket, options: ExecChannelOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#parser = new FrameParser({
      json: (text) => {
        this.#obey(JSON.parse(text) as ChannelRequest);
      },
      data: (head, bytes) => {
        this.#takeStdin(head, bytes);
      },
    });
    socket.on('data', (chunk: Buffer) => {
      this.take(chunk);
    });
    // A client that says no more has gone: it hears the end of its exec before it closes.
    socket.on('end', () => socket.destroy());
    socket.on('error', () => undefined);
  }

  /** Takes what the client sent. */
  take(chunk: Buffer): void {
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #obey(request: ChannelRequest): void {
    this.#options.check(request);
    if (request.type === 'start' || request.type === 'attach') this.#open(request);
    else if (request.type === 'leave' && this.#attached === undefined) this.#hasLeft = true;
    else act(this.#opened, request);
  }

  #open(request: OpeningRequest): void {
    if (this.#isOpened) throw new SbxError('invalid_argument', 'A channel shows one exec');
    this.#isOpened = true;
    this.#options.open(request).then(
      (attached) => {
        this.#attached = attached;
        if (this.#hasLeft) act(attached, { type: 'leave' });
      },
      (error: unknown) => {
        this.#refuse(error);
      },
    );
  }

  #takeStdin({ kind, numbers, given }: DataHead, bytes: Buffer): void {
    if (kind !== 'stdin') throw new SbxError('invalid_argument', `${kind} comes from the server`);
    const { exec, reader } = this.#opened;
    reader.hear();
    if (exec === undefined || reader.wasOwner) return;
    const stdin = exec.clients.stdinOf(reader.client);
    const offset = (numbers[0] ?? 0) + given;
    if (offset + bytes.length > stdin.limit) {
      throw new SbxError('invalid_argument', `stdin may be sent up to offset ${stdin.limit}`);
    }
    stdin.take(offset, bytes);
  }

  get #opened(): Attached {
    if (this.#attached === undefined) throw new SbxError('invalid_argument', 'The exec has not started');
    return this.#attached;
  }

  /** Nothing after this is read; an exec that runs loses its client. */
  #refuse(error: unknown): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.removeAllListeners('data').resume();
    const known = error instanceof SbxError ? error : new SbxError('invalid_argument', String(error));
    this.#socket.end(formatJsonFrame({ type: 'error', error: known.toBody() }));
  }
}

/** Of an exec that has ended there is nothing but its reading. */
function act({ exec, reader }: Attached, request: Exclude<ChannelRequest, OpeningRequest>): void {
  reader.hear();
  const { client } = reader;
  switch (request.type) {
    case 'ack':
      if (reader.isOwner) exec?.clients.acknowledge(client, request);
      else reader.acknowledge(request);
      break;
    case 'signal':
      exec?.signal(client, request);
      break;
    case 'close':
      if (reader.isOwner) exec?.closeStream(request.stream);
      break;
    case 'stdin_end':
      if (!reader.wasOwner) exec?.clients.stdinOf(client).end(request.offset);
      break;
    case 'leave':
      if (reader.isOwner) exec?.clients.leave(client);
  }
}
