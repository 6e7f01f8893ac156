import {
  RECONNECT_GRACE_MS,
  type AttachRequest,
  type SandboxRecord,
  type StartExecRequest,
} from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { OutputStream, StartedEvent, StreamBytes, TerminalEvent } from '../protocol/events.ts';
import type { OpenStream } from './event-stream.ts';
import { ExecJournal } from './log/exec-journal.ts';
import type { ExecReader } from './exec-reader.ts';
import { ExecReaders } from './exec-readers.ts';
import { ExecStdin } from './exec-stdin.ts';
import { requireShown, resolveFrom } from './log/read-from.ts';
import { SignalNumbers } from './signal-numbers.ts';
import { StdinTurns } from './stdin-turns.ts';

export interface ExecClientsOptions {
  readonly request: StartExecRequest;
  readonly sandbox: SandboxRecord;
  /** The terminal event, once there is one. */
  terminal(): TerminalEvent | undefined;
  /** The event that told that the command runs, once it does. */
  started(): StartedEvent | undefined;
  /** There may be room again for what the command writes. */
  onRoom(): void;
  /** The client that started the exec, and owns it, gives it up; that it has gone is told after it. */
  onGivenUp(): void;
  /** The owner client will not come back, or has not come back in time. */
  onOwnerGone(): void;
  log(line: string): void;
}

/** What passes between one exec and its clients: its output, its stdin, and who of them is its owner. */
export class ExecClients {
  readonly journal: ExecJournal;
  readonly readers: ExecReaders;
  readonly #options: ExecClientsOptions;
  readonly #stdin: ExecStdin;
  readonly #signals = new SignalNumbers();
  readonly #turns = new StdinTurns();
  /**
   * Started without a stream by a client that gave no name, and not to go on alone: whoever reads it owns it meanwhile,
   * and may go without being missed.
   */
  #isReaders: boolean;

  constructor(options: ExecClientsOptions) {
    this.#options = options;
    const { detached, client } = options.request;
    this.#isReaders = detached !== true && client === undefined;
    this.#stdin = new ExecStdin((event) => {
      this.readers.tell(event);
    });
    this.journal = new ExecJournal({
      onChange: () => {
        this.readers.wake();
        options.onRoom();
      },
      log: (line) => {
        options.log(line);
      },
    });
    this.readers = new ExecReaders({
      view: this.journal,
      end: () => this.#end,
      terminal: () => options.terminal(),
      onSent: (reader, offsets) => {
        if (!reader.isOwner) return;
        if (reader.window === undefined) this.journal.acknowledge(offsets);
        options.onRoom();
      },
      onOwnerGone: () => {
        if (!this.#isReaders || options.terminal() !== undefined) options.onOwnerGone();
      },
    });
  }

  /** The stdin, for the exec itself. */
  get stdin(): ExecStdin {
    return this.#stdin;
  }

  /** Shows the exec to the client that starts it, which becomes the owner client. */
  show(open: OpenStream): ExecReader {
    const { client, window, heartbeat_ms: heartbeatMs, reconnect_grace_ms: graceMs } = this.#options.request;
    const from = { stdout: 0, stderr: 0 };
    this.#setOwner(client, graceMs);
    this.journal.hold(from, window);
    return this.readers.add({ client, window, from, heartbeatMs, hasOutput: true, isOwner: true }, open);
  }

  /**
   * Shows the exec to another client, or again to one that was cut off.
   * @throws SbxError `position_expired`, `position_beyond_end`
   */
  async attach(request: AttachRequest, open: OpenStream): Promise<ExecReader> {
    const arrived = this.readers.expect();
    try {
      return await this.#attach(request, open);
    } finally {
      arrived();
    }
  }

  async #attach(request: AttachRequest, open: OpenStream): Promise<ExecReader> {
    const { client, window, output: hasOutput = true, heartbeat_ms: heartbeatMs } = request;
    const offsetsAt = async (position: number): Promise<StreamBytes | undefined> =>
      this.journal.offsetsAt(position);
    const from = await resolveFrom({ end: this.#end, offsetsAt }, request.from ?? 'now');
    const isOwner = this.#makeOwner(request, from);
    const reader = this.readers.add({ client, window, from, heartbeatMs, hasOutput, isOwner }, open);
    const fed = this.#options.terminal() === undefined ? this.#turns.fedBy(client) : undefined;
    reader.send({
      type: 'attached',
      exec: request.id,
      sandbox: this.#options.sandbox.name,
      owner: isOwner,
      from,
      written: this.#end,
      signals: this.#signals.lastOf(client),
      ...(fed !== undefined && { fed }),
    });
    const started = this.#options.started();
    // Whoever comes to one that has ended gets the same events whether we still have it or only its record.
    const isNews = isOwner || this.#options.terminal() === undefined;
    if (started !== undefined && isNews) reader.send(started);
    reader.send(this.#stdin.state);
    reader.wake();
    this.#options.onRoom();
    return reader;
  }

  /** A client has everything before these offsets. @throws SbxError `invalid_argument` beyond what was shown */
  acknowledge(client: string | undefined, offsets: Partial<StreamBytes>): void {
    requireShown(this.#end, offsets);
    const reader = this.readers.find(client);
    reader?.hear();
    const isOwners = reader?.isOwner ?? this.isOwnedBy(client);
    if (isOwners) {
      this.journal.acknowledge(offsets);
      this.readers.hearOwner();
    }
    reader?.acknowledge(offsets);
    if (isOwners) this.#options.onRoom();
  }

  /** Whether there is somebody for whom the command has to wait: the owner client, or the log on disk. */
  get isHeld(): boolean {
    return this.readers.owner !== undefined || this.journal.store !== undefined;
  }

  /** Whether a client may feed stdin and close streams. */
  isOwnedBy(client: string | undefined): boolean {
    const { owner } = this.readers;
    return owner?.client === undefined || owner.client === client;
  }

  /** The stdin, for its owner client. @throws SbxError `stdin_owned` */
  stdinOf(client: string | undefined): ExecStdin {
    if (this.isOwnedBy(client)) {
      this.#turns.feed(client, this.#stdin.answer.accepted);
      return this.#stdin;
    }
    throw new SbxError(
      'stdin_owned',
      `Cannot feed stdin of exec ${this.#options.request.id}: another client owns it`,
    );
  }

  /** False for a signal that was taken before. */
  isNewSignal(client: string | undefined, number: number | undefined): boolean {
    return this.#signals.isNew(client, number);
  }

  /** A client will not come back. */
  leave(client: string | undefined): void {
    if (client !== this.readers.owner?.client) return;
    const { client: starter, detached } = this.#options.request;
    if (client === starter && !detached) this.#options.onGivenUp();
    this.readers.leave();
  }

  /** The command wrote. */
  append(stream: OutputStream, chunk: Uint8Array): void {
    this.journal.append(stream, chunk);
    this.readers.wake();
  }

  /** Whether another read of a stream may be kept and sent. */
  hasCredit(stream: OutputStream): boolean {
    return !this.readers.isOwnerBehind && this.journal.hasRoom(stream);
  }

  /** Resolves when the exec has ended and nobody needs it any more but for its log on disk. */
  async whenDone(): Promise<void> {
    await this.readers.allRead;
    await this.journal.settle();
    // Somebody may have come while the log was written.
    await this.readers.allRead;
  }

  /** When nothing more will come, what is still on its way to the disk counts too: readers are shown all of it. */
  get #end(): StreamBytes {
    return this.#options.terminal() === undefined ? this.journal.visible : this.journal.written;
  }

  #makeOwner(request: AttachRequest, from: StreamBytes): boolean {
    const { client, watch, take, window } = request;
    const { owner } = this.readers;
    if (client === undefined) return this.#claim(request, from);
    const hasReturned = client === owner?.client;
    const mayOwn = !watch && this.#options.terminal() === undefined;
    if (!hasReturned && !(mayOwn && (take === true || owner === undefined))) return false;
    this.#setOwner(client, request.reconnect_grace_ms);
    if (!hasReturned) this.journal.hold(from, window);
    this.#stdin.resume();
    return true;
  }

  /** Without an owner nothing would be acknowledged for a reader that has no name, and the command would stand still. */
  #claim({ watch, output, window }: AttachRequest, from: StreamBytes): boolean {
    const mayOwn = !watch && output !== false && this.#options.terminal() === undefined;
    if (!mayOwn || !this.#isReaders || this.readers.owner !== undefined) return false;
    this.#setOwner(undefined);
    this.#isReaders = true;
    this.journal.hold(from, window);
    return true;
  }

  #setOwner(client: string | undefined, graceMs = RECONNECT_GRACE_MS): void {
    this.#turns.begin(client, this.#stdin.answer.accepted);
    this.#isReaders = false;
    this.readers.setOwner({ client, graceMs });
  }
}
