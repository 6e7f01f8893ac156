import type { SignalRequest } from '../protocol/api.ts';
import type { ExecEvent, OutputStream, StreamBytes } from '../protocol/events.ts';
import type { OpeningRequest } from '../protocol/frames.ts';
import type { StdinCursor } from './stdin-queue.ts';

/** What a session hears on its road. */
export interface RoadListener {
  /** Bytes came, whatever they are: the server lives. */
  hear(): void;
  /** An output event's bytes are valid until the call returns. */
  take(event: ExecEvent): void;
}

/**
 * How one exec is started or attached to, followed and steered: the port between its session and the wire. A road ends
 * with its connections; the session goes on with another. What is asked of a road that has been cut is in vain, and
 * asked again of the next.
 */
export interface ExecRoad {
  /** @throws SbxError `server_unreachable` */
  connect(): Promise<void>;
  /**
   * Opens the exec and gives its events as they come; resolves when no more will come.
   * @throws SbxError what the server refuses it with; `server_unreachable`, also where a connection breaks
   */
  follow(opening: OpeningRequest, listener: RoadListener): Promise<void>;
  /** The bytes before these offsets are where they belong. It also tells that we live. */
  acknowledge(written: StreamBytes): void;
  signal(request: SignalRequest): void;
  closeStream(stream: OutputStream): void;
  /**
   * Forwards stdin and its end; resolves when the server was told all of it, or when nothing more is to be sent here.
   * @throws SbxError `input_failed`
   */
  sendStdin(cursor: StdinCursor): Promise<void>;
  /** We will not come back. Resolves when that is on its way, or after a moment. */
  leave(): Promise<void>;
  close(): void;
}
