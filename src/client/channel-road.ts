import { routes, STDIN_WINDOW, type SignalRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { ExecEvent, OutputStream, StreamBytes } from '../protocol/events.ts';
import {
  createEventParser,
  formatJsonFrame,
  formatStdinHead,
  FRAMES_PROTOCOL,
  type ChannelRequest,
  type OpeningRequest,
} from '../protocol/frames.ts';
import { ForeignAnswer, parseFailure } from './answers.ts';
import { Connections } from './connections.ts';
import type { ExecRoad, RoadListener } from './exec-road.ts';
import type { StdinCursor, StdinPiece } from './stdin-queue.ts';
import type { Connection, Transport, UpgradedConnection } from './transport.ts';
import { withinMoment } from './moment.ts';

/** An exec on one connection of its own, in frames both ways. */
export class ChannelRoad implements ExecRoad {
  readonly #connections: Connections;
  #connection: Connection | undefined;
  #upgraded: UpgradedConnection | undefined;
  /** The server has answered the opening: before that it has no exec that anything could be about. */
  #isOpen = false;
  #isClosed = false;
  /** No byte of stdin from this offset on may be sent yet. */
  #stdinLimit = STDIN_WINDOW;
  /** The child can read no more of it. */
  #isStdinOver = false;
  #onAllowed: () => void = () => undefined;

  constructor(transport: Transport) {
    this.#connections = new Connections(transport);
  }

  async connect(): Promise<void> {
    this.#connection = await this.#connections.open();
  }

  async follow(opening: OpeningRequest, listener: RoadListener): Promise<void> {
    if (this.#connection === undefined) throw new Error('follow() comes after connect()');
    // The request does not wait for the answer to the upgrade: that would be a round trip more for every exec.
    const upgraded = this.#connection.upgrade({
      path: routes.channel,
      protocol: FRAMES_PROTOCOL,
      first: formatJsonFrame(opening),
    });
    this.#upgraded = upgraded;
    const answer = await upgraded.answer;
    if (answer.status !== 101) throw toRefusal(parseFailure(answer.status, await answer.readAll()));
    let refusal: SbxError | undefined;
    const parser = createEventParser((event) => {
      // Before the greeting it is the answer to the opening, and of no exec.
      if (event.type === 'error' && !this.#isOpen) {
        refusal = SbxError.fromBody(event.error);
        return;
      }
      this.#isOpen = true;
      if (event.type === 'stdin') this.#allowStdin(event);
      listener.take(event);
    });
    try {
      await answer.read((chunk) => {
        listener.hear();
        parser.push(chunk);
      });
    } catch (error) {
      throw refusal ?? error;
    }
    if (refusal !== undefined) throw refusal;
  }

  acknowledge(written: StreamBytes): void {
    this.#send({ type: 'ack', ...written });
  }

  signal(request: SignalRequest): void {
    this.#send({ type: 'signal', ...request });
  }

  closeStream(stream: OutputStream): void {
    this.#send({ type: 'close', stream });
  }

  async sendStdin(cursor: StdinCursor): Promise<void> {
    for (;;) {
      const piece = await cursor.next();
      if (piece === undefined || this.#isInVain()) return;
      if (piece === null) break;
      await this.#sendPiece(piece);
    }
    this.#send({ type: 'stdin_end', offset: cursor.offset });
  }

  async leave(): Promise<void> {
    if (this.#upgraded === undefined) return;
    this.#upgraded.write([formatJsonFrame({ type: 'leave' })]);
    await withinMoment(this.#upgraded.flushed());
  }

  close(): void {
    this.#isClosed = true;
    this.#connections.close();
    this.#onAllowed();
  }

  async #sendPiece({ offset, bytes }: StdinPiece): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isInVain();) {
      const piece = bytes.subarray(at, at + Math.max(0, this.#stdinLimit - offset - at));
      if (piece.length === 0) {
        await new Promise<void>((resolve) => {
          this.#onAllowed = resolve;
        });
        continue;
      }
      const hasRoom = this.#upgraded?.write([formatStdinHead(offset + at, piece.length), piece]);
      at += piece.length;
      if (hasRoom === false) await this.#upgraded?.drained();
    }
  }

  #allowStdin({ limit, closed }: ExecEvent & { type: 'stdin' }): void {
    this.#stdinLimit = limit;
    this.#isStdinOver = closed;
    this.#onAllowed();
  }

  #isInVain(): boolean {
    return this.#isClosed || this.#isStdinOver;
  }

  #send(request: ChannelRequest): void {
    if (this.#isOpen) this.#upgraded?.write([formatJsonFrame(request)]);
  }
}

/** A server that knows no channels, or a proxy that upgrades none: their words are of no interest. */
function toRefusal(failure: SbxError): SbxError {
  const isOfServer = failure.code === 'invalid_argument' || failure.code === 'route_not_found';
  if (!isOfServer && !(failure instanceof ForeignAnswer)) return failure;
  return new SbxError('upgrade_required', failure.message, { cause: failure });
}
