import { CUT_MS, HEARTBEAT_MS } from '../protocol/api.ts';
import {
  OUTPUT_STREAMS,
  type OutputStream,
  type StreamBytes,
  type TerminalEvent,
} from '../protocol/events.ts';
import { SilenceWatch } from '../protocol/silence-watch.ts';
import type { EventStream, OpenStream } from './event-stream.ts';
import { LogCursor, type LogView, type Next, type Room } from './log/log-cursor.ts';
import { requireShown } from './log/read-from.ts';

/** Who reads, and how. */
export interface ReaderSettings {
  readonly client: string | undefined;
  /** Undefined: as much as the socket takes. */
  readonly window: StreamBytes | undefined;
  readonly from: StreamBytes;
  /** False: nothing but events without payload. */
  readonly hasOutput: boolean;
  readonly isOwner: boolean;
  /** How often the client promised to be heard. */
  readonly heartbeatMs: number | undefined;
}

export interface ReaderHooks {
  readonly view: LogView;
  /** Up to where readers may count on being shown the output. */
  end(): StreamBytes;
  terminal(): TerminalEvent | undefined;
  /** The socket took everything up to these offsets. */
  onSent(reader: ExecReader, offsets: StreamBytes): void;
  onCompleted(reader: ExecReader): void;
  /** Its connection has gone. */
  onGone(reader: ExecReader): void;
}

/** So many heartbeats without one are a cut. */
const MISSED = CUT_MS / HEARTBEAT_MS;
const UNLIMITED: StreamBytes = { stdout: Infinity, stderr: Infinity };

/** One connection that reads an exec: the owner client's, or a watcher's. */
export class ExecReader {
  readonly client: string | undefined;
  readonly window: StreamBytes | undefined;
  #isOwner: boolean;
  #wasOwner = false;
  readonly #acknowledged: Record<OutputStream, number>;
  readonly #hooks: ReaderHooks;
  readonly #cursor: LogCursor;
  readonly #stream: EventStream;
  readonly #silence: SilenceWatch | undefined;

  constructor(settings: ReaderSettings, hooks: ReaderHooks, open: OpenStream) {
    const { client, window, from, hasOutput, isOwner, heartbeatMs } = settings;
    this.client = client;
    this.#hooks = hooks;
    this.window = window;
    this.#isOwner = isOwner;
    this.#acknowledged = { ...from };
    this.#cursor = new LogCursor(hooks.view, () => {
      this.wake();
    });
    if (heartbeatMs !== undefined) {
      this.#silence = new SilenceWatch(heartbeatMs * MISSED, () => {
        this.destroy();
      });
    }
    const next = (at: StreamBytes, limit: number): Next =>
      this.#cursor.next({ from: at, limit, room: this.#roomAt(at) });
    this.#stream = open(
      {
        next: hasOutput ? next : () => undefined,
        terminal: () => hooks.terminal(),
        onSent: (offsets) => {
          hooks.onSent(this, offsets);
        },
        onCompleted: () => {
          hooks.onCompleted(this);
        },
        onClosed: () => {
          this.#release();
          hooks.onGone(this);
        },
      },
      from,
    );
  }

  get isOwner(): boolean {
    return this.#isOwner;
  }

  /** Another has taken the exec over: what this client sent before it knew is not wanted any more. */
  get wasOwner(): boolean {
    return this.#wasOwner;
  }

  demote(): void {
    this.#wasOwner = this.#isOwner;
    this.#isOwner = false;
  }

  /** Its socket does not take what there is to send. */
  get isBehind(): boolean {
    return this.#stream.isBehind;
  }

  /** The client lives. */
  hear(): void {
    this.#silence?.hear();
  }

  /** It has everything before these offsets. @throws SbxError `invalid_argument` beyond what was shown */
  acknowledge(offsets: Partial<StreamBytes>): void {
    requireShown(this.#hooks.end(), offsets);
    for (const stream of OUTPUT_STREAMS) {
      this.#acknowledged[stream] = Math.max(this.#acknowledged[stream], offsets[stream] ?? 0);
    }
    this.wake();
  }

  wake(): void {
    this.#stream.wake();
  }

  send(event: Parameters<EventStream['send']>[0]): void {
    this.#stream.send(event);
  }

  destroy(): void {
    this.#stream.destroy();
  }

  /**
   * What the owner client may not have yet is not in memory either: the command is held back. Only what lies on disk
   * already, and a watcher's, is counted here.
   */
  #roomAt(at: StreamBytes): Room {
    const { window } = this;
    if (window === undefined) return { memory: UNLIMITED, store: UNLIMITED };
    const room = {
      stdout: Math.max(0, window.stdout - at.stdout + this.#acknowledged.stdout),
      stderr: Math.max(0, window.stderr - at.stderr + this.#acknowledged.stderr),
    };
    return { memory: this.isOwner ? UNLIMITED : room, store: room };
  }

  #release(): void {
    this.#silence?.stop();
    this.#cursor.close();
  }
}
