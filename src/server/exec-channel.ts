import type { Socket } from 'node:net';
import { SbxError } from '../protocol/errors.ts';
import { FrameParser, formatJsonFrame, type ChannelRequest, type DataHead } from '../protocol/frames.ts';
import type { Exec } from './exec.ts';

export interface ExecChannelOptions {
  /** @throws SbxError `invalid_argument` for what is no request */
  check(request: ChannelRequest): void;
  /** Makes the exec, shows it on this channel, and starts it. @throws SbxError */
  start(request: ChannelRequest & { type: 'start' }): Promise<Exec>;
}

/**
 * A connection that is one exec's alone, in frames both ways: its events go out, stdin and requests come in, and its end
 * is the client's going. What cannot be taken ends it with an `error` event.
 */
export class ExecChannel {
  readonly #socket: Socket;
  readonly #options: ExecChannelOptions;
  readonly #parser: FrameParser;
  #isStarted = false;
  #exec: Exec | undefined;

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
    if (request.type === 'start') this.#start(request);
    else act(this.#running, request);
  }

  #start(request: ChannelRequest & { type: 'start' }): void {
    if (this.#isStarted) throw new SbxError('invalid_argument', 'A channel starts one exec');
    this.#isStarted = true;
    this.#options.start(request).then(
      (exec) => {
        this.#exec = exec;
      },
      (error: unknown) => {
        this.#refuse(error);
      },
    );
  }

  #takeStdin({ kind, numbers, given }: DataHead, bytes: Buffer): void {
    if (kind !== 'stdin') throw new SbxError('invalid_argument', `${kind} comes from the server`);
    const { stdin } = this.#running;
    const offset = (numbers[0] ?? 0) + given;
    if (offset + bytes.length > stdin.limit) {
      throw new SbxError('invalid_argument', `stdin may be sent up to offset ${stdin.limit}`);
    }
    stdin.take(offset, bytes);
  }

  get #running(): Exec {
    if (this.#exec === undefined) throw new SbxError('invalid_argument', 'The exec has not started');
    return this.#exec;
  }

  /** Nothing after this is read; an exec that runs loses its client. */
  #refuse(error: unknown): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.removeAllListeners('data').resume();
    const known = error instanceof SbxError ? error : new SbxError('invalid_argument', String(error));
    this.#socket.end(formatJsonFrame({ type: 'error', error: known.toBody() }));
  }
}

function act(exec: Exec, request: Exclude<ChannelRequest, { type: 'start' }>): void {
  switch (request.type) {
    case 'ack':
      exec.acknowledge(request);
      break;
    case 'signal':
      exec.signal(request.signal);
      break;
    case 'close':
      exec.closeStream(request.stream);
      break;
    case 'stdin_end':
      exec.stdin.end(request.offset);
  }
}
