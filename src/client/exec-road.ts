import type { StartExecRequest } from '../protocol/api.ts';
import type { ExecEvent, OutputStream, StreamBytes } from '../protocol/events.ts';
import type { StdinSource } from './stdin-source.ts';

/** What a session hears on its road. */
export interface RoadListener {
  /** Bytes came, whatever they are: the server lives. */
  hear(): void;
  /** An output event's bytes are valid until the call returns. */
  take(event: ExecEvent): void;
}

/** How one exec is started, followed and steered: the port between its session and the wire. */
export interface ExecRoad {
  /**
   * Starts the exec and gives its events as they come; resolves when no more will come.
   * @throws SbxError what the server refuses it with; `server_unreachable`, also where the connection breaks
   */
  follow(request: StartExecRequest, listener: RoadListener): Promise<void>;
  /** The bytes before these offsets are where they belong. */
  acknowledge(written: StreamBytes): void;
  signal(signal: string): Promise<void>;
  closeStream(stream: OutputStream): Promise<void>;
  /** Forwards stdin; resolves when it has ended and the server knows, or when nobody can read more of it. */
  sendStdin(source: StdinSource): Promise<void>;
  /** The server takes stdin up to this offset. */
  allowStdin(limit: number): void;
  /** Nobody can read more of stdin. */
  stopStdin(): void;
  close(): void;
}
