import type { Driver, ExecProcess } from '../drivers/driver.ts';
import {
  DEFAULT_WINDOW,
  KILL_AFTER_MS,
  type AckRequest,
  type ExecRecord,
  type SandboxRecord,
  type StartExecRequest,
} from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import {
  OUTPUT_STREAMS,
  type OutputStream,
  type StreamBytes,
  type TerminalEvent,
} from '../protocol/events.ts';
import type { Exit, ExitReason } from '../protocol/exit.ts';
import { DrainClock } from './drain-clock.ts';
import { ExecLog } from './exec-log.ts';
import { toExecRecord } from './exec-record.ts';
import { ExecOutputs } from './exec-outputs.ts';
import { ExecReaders } from './exec-readers.ts';
import { ExecStdin } from './exec-stdin.ts';
import { toStartError } from './start-error.ts';
import { Timers } from './timers.ts';

/** After the main process has ended, how long its pipes are read on for what others write into them. */
const DRAIN_MS = 2_000;
/** The most that one read of a pipe brings: credit for less than this is not used. */
const READ_BYTES = 64 * 1024;

export interface ExecOptions {
  readonly request: StartExecRequest;
  readonly sandbox: SandboxRecord;
  readonly owner: string;
  /** Runs once, when the record has its end and before the readers are told. */
  readonly onEnd: (exec: Exec) => void;
}

/** One command: its process, its log, its stdin, who reads it, and how it ends. */
export class Exec {
  readonly id: string;
  readonly owner: string;
  readonly sandbox: SandboxRecord;
  readonly stdin: ExecStdin;
  readonly #request: StartExecRequest;
  readonly #onEnd: (exec: Exec) => void;
  readonly #log = new ExecLog();
  readonly #created = new Date();
  #startedAt = 0;
  #process: ExecProcess | undefined;
  #outputs: ExecOutputs | undefined;
  #exit: Exit | null = null;
  /** Why we ended it, where we did. */
  #cause: ExitReason | undefined;
  #end: { at: Date; terminal: TerminalEvent } | undefined;
  readonly #timers = new Timers();
  /** What was asked for while the command was being started. */
  readonly #early: ((process: ExecProcess) => void)[] = [];
  readonly #drain = new DrainClock(DRAIN_MS, () => {
    this.#finishDrained();
  });
  #isDrainOver = false;
  #isDiscarding = false;
  readonly readers = new ExecReaders({
    next: (offsets, limit) => this.#log.next(offsets, limit),
    terminal: () => this.#end?.terminal,
    onClientSent: (offsets) => {
      // For a reader without a window, what the socket took counts as acknowledged.
      if (this.#request.window === undefined) this.acknowledge(offsets);
      else this.#outputs?.poke();
    },
    onClientGone: () => {
      this.#onClientGone();
    },
  });

  constructor({ request, sandbox, owner, onEnd }: ExecOptions) {
    this.id = request.id;
    this.owner = owner;
    this.sandbox = sandbox;
    this.#request = request;
    this.#onEnd = onEnd;
    this.stdin = new ExecStdin((event) => {
      this.readers.tell(event);
    });
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  get record(): ExecRecord {
    return toExecRecord({
      request: this.#request,
      sandbox: this.sandbox,
      owner: this.owner,
      created: this.#created,
      hasStarted: this.#process !== undefined,
      end: this.#end,
      bytes: this.#log.written,
    });
  }

  /** Starts the command. Its failure to start is its end, not an exception. */
  async start(driver: Driver): Promise<void> {
    const { argv, env, cwd, user, stdin } = this.#request;
    try {
      const process = await driver.startExec({
        id: this.id,
        sandboxId: this.sandbox.id,
        argv,
        env: new Map(Object.entries(env ?? {})),
        cwd,
        user,
        stdin: stdin ?? 'null',
      });
      this.#run(process);
    } catch (error) {
      this.fail(toStartError(error, this.sandbox));
    }
  }

  /** The offsets from which on everything is still kept. */
  get kept(): StreamBytes {
    return this.#log.acknowledged;
  }

  acknowledge(offsets: AckRequest): void {
    for (const stream of OUTPUT_STREAMS) {
      const offset = offsets[stream];
      if (offset !== undefined) this.#log.acknowledge(stream, offset);
    }
    this.#outputs?.poke();
  }

  /** Closes one of the child's output streams, so that it meets SIGPIPE on its next write. */
  closeStream(stream: OutputStream): void {
    // Also after the end of the process: another may hold the stream and write.
    if (this.#outputs === undefined) this.#early.push(() => this.#outputs?.close(stream));
    else this.#outputs.close(stream);
  }

  /** Sends a signal to the process group; KILL ends the exec for the reason `killed`. */
  signal(name: string): void {
    if (name === 'KILL') this.kill('killed');
    else this.#whenRunning((process) => process.signal(name));
  }

  /** KILL, now. */
  kill(reason: ExitReason): void {
    this.#whenRunning((process) => {
      this.#cause ??= reason;
      process.kill();
    });
  }

  /** TERM (after HUP, where somebody hung up), and KILL when that did not help. */
  end(reason: ExitReason): void {
    this.#whenRunning((process) => {
      this.#cause ??= reason;
      if (reason === 'client_gone') process.signal('HUP');
      process.signal('TERM');
      this.#timers.after(this.#request.kill_after_ms ?? KILL_AFTER_MS, () => {
        this.kill(reason);
      });
    });
  }

  /** Ends the record without an exit: the command was not started, or its end will never be known. */
  fail(error: unknown): void {
    const known =
      error instanceof SbxError ? error : new SbxError('internal', String(error), { cause: error });
    this.#finish({ type: 'error', error: known.toBody() });
  }

  /** Lets go of connections and timers; the server goes. */
  destroy(): void {
    this.#timers.clear();
    this.readers.destroy();
  }

  #run(process: ExecProcess): void {
    this.#process = process;
    this.#startedAt = performance.now();
    this.#outputs = new ExecOutputs(process, {
      append: (stream, chunk) => {
        this.#append(stream, chunk);
      },
      hasCredit: (stream) => this.#hasCredit(stream),
      onChange: () => {
        this.#advance();
      },
    });
    this.stdin.connect(process.stdin);
    this.readers.tell({ type: 'started', exec: this.id, sandbox: this.sandbox.name, time: Date.now() });
    if (this.#request.timeout_ms !== undefined) {
      this.#timers.after(this.#request.timeout_ms, () => {
        this.end('timeout');
      });
    }
    process.ended.then(
      (exit) => {
        this.#reap(exit);
      },
      (error: unknown) => {
        this.fail(new SbxError('session_lost', `Nobody could learn how the command ended: ${String(error)}`));
      },
    );
    for (const act of this.#early.splice(0)) act(process);
  }

  /** Acts on the process while there is one: at once, or as soon as it runs; never after it was reaped. */
  #whenRunning(act: (process: ExecProcess) => void): void {
    if (this.#exit !== null || this.hasEnded) return;
    if (this.#process === undefined) this.#early.push(act);
    else act(this.#process);
  }

  #append(stream: OutputStream, chunk: Uint8Array): void {
    if (this.#isDiscarding) {
      this.#log.skip(stream, chunk.length);
      return;
    }
    this.#log.append(stream, chunk, Date.now());
    this.readers.wake();
  }

  #hasCredit(stream: OutputStream): boolean {
    if (this.#isDiscarding) return true;
    if (this.readers.isClientBehind) return false;
    const window = this.#request.window?.[stream] ?? DEFAULT_WINDOW;
    return this.#log.unacknowledged(stream) + READ_BYTES <= window;
  }

  #reap(exit: Exit): void {
    this.#exit = exit;
    this.#timers.clear();
    this.stdin.close();
    this.#outputs?.settle();
    this.#advance();
  }

  /** Decides, whenever a stream or the process has changed, whether the exec has ended. */
  #advance(): void {
    const outputs = this.#outputs;
    if (outputs === undefined || this.#exit === null || this.hasEnded) return;
    if (outputs.areOver || (this.#isDrainOver && !outputs.isAnyOwing)) {
      this.#drain.pause();
      this.#finishExited(outputs);
    } else if (outputs.isAnyStalled) this.#drain.pause();
    else if (!this.#isDrainOver) this.#drain.run();
  }

  #finishDrained(): void {
    this.#isDrainOver = true;
    this.#advance();
  }

  #finishExited(outputs: ExecOutputs): void {
    const reason = this.#cause ?? (this.#process?.wasOutOfMemory() ? 'out_of_memory' : 'exited');
    const isTruncated = !outputs.areOver;
    outputs.discard();
    this.#finish({
      type: 'exit',
      exit: this.#exit,
      reason,
      bytes: this.#log.written,
      closed: outputs.closed,
      drain_truncated: isTruncated,
      duration_ms: Math.round(performance.now() - this.#startedAt),
    });
  }

  #finish(terminal: TerminalEvent): void {
    if (this.hasEnded) return;
    this.#end = { at: new Date(), terminal };
    this.#timers.clear();
    this.stdin.close();
    this.#onEnd(this);
    this.readers.wake();
    this.readers.checkAllRead();
  }

  /** Nobody holds the child back any more, and nobody waits for its end. */
  #onClientGone(): void {
    this.#isDiscarding = true;
    this.acknowledge(this.#log.written);
    if (!this.hasEnded) this.end('client_gone');
  }
}
