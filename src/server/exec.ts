import type { Driver, ExecProcess } from '../drivers/driver.ts';
import {
  KILL_AFTER_MS,
  type ExecRecord,
  type SandboxRecord,
  type SignalRequest,
  type StartExecRequest,
} from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { OutputStream, StartedEvent, TerminalEvent } from '../protocol/events.ts';
import type { Exit, ExitReason } from '../protocol/exit.ts';
import { ExecClients } from './exec-clients.ts';
import { ExecDrain } from './exec-drain.ts';
import { toExecRecord } from './exec-record.ts';
import { ExecOutputs } from './exec-outputs.ts';
import { toExecSpec } from './exec-spec.ts';
import { ProcessActs } from './process-acts.ts';
import { toStartError } from './start-error.ts';
import type { StoredLog } from './log/stored-log.ts';
import { Timers } from './timers.ts';

export interface ExecOptions {
  readonly request: StartExecRequest;
  readonly sandbox: SandboxRecord;
  readonly owner: string;
  /** Makes the log on disk. @throws SbxError `disk_full`, `state_dir_unusable` */
  readonly openLog: () => StoredLog;
  readonly log: (line: string) => void;
  /** Runs when the exec goes on without its owner client. */
  readonly onKept: (exec: Exec) => void;
  /** Runs once, when the record has its end and before the readers are told. */
  readonly onEnd: (exec: Exec) => void;
}

/** One command: its process, its output, its stdin, who reads it, and how it ends. */
export class Exec {
  readonly id: string;
  readonly owner: string;
  readonly sandbox: SandboxRecord;
  readonly clients: ExecClients;
  readonly #options: ExecOptions;
  readonly #request: StartExecRequest;
  readonly #created = new Date();
  #startedAt = 0;
  #started: StartedEvent | undefined;
  #process: ExecProcess | undefined;
  #outputs: ExecOutputs | undefined;
  #exit: Exit | null = null;
  /** Why we ended it, where we did. */
  #cause: ExitReason | undefined;
  #end: { at: Date; terminal: TerminalEvent } | undefined;
  #isDetached: boolean;
  /** Who started it has left it before its end, which is no cut. */
  #isGivenUp = false;
  readonly #timers = new Timers();
  readonly #acts = new ProcessActs((error) => {
    this.#options.log(`Exec ${this.id}: ${String(error)}`);
  });
  #drain: ExecDrain | undefined;
  #isHurried = false;

  /** @throws SbxError where it is to have a log on disk and that cannot be made */
  constructor(options: ExecOptions) {
    const { request, sandbox, owner, log } = options;
    this.id = request.id;
    this.owner = owner;
    this.sandbox = sandbox;
    this.#options = options;
    this.#request = request;
    this.#isDetached = request.detached ?? false;
    this.clients = new ExecClients({
      request,
      sandbox,
      terminal: () => this.#end?.terminal,
      started: () => this.#started,
      onRoom: () => this.#outputs?.poke(),
      onGivenUp: () => {
        this.#isGivenUp = true;
      },
      onOwnerGone: () => {
        this.#onOwnerGone();
      },
      log,
    });
    if (this.#isDetached || request.log) this.clients.journal.keepIn(options.openLog());
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** It has ended, and what it left in the background may still write. */
  get hasBackground(): boolean {
    return this.hasEnded && this.#outputs?.areOver === false;
  }

  get record(): ExecRecord {
    return toExecRecord({
      request: this.#request,
      sandbox: this.sandbox,
      owner: this.owner,
      created: this.#created,
      hasStarted: this.#process !== undefined,
      end: this.#end,
      bytes: this.clients.journal.written,
      isDetached: this.#isDetached,
      isLogged: this.clients.journal.store !== undefined,
    });
  }

  /** The same start, sent again by a client that has not seen the answer. */
  isStartedBy(request: StartExecRequest): boolean {
    return JSON.stringify(request) === JSON.stringify(this.#request);
  }

  /** Starts the command. Its failure to start is its end, not an exception. */
  async start(driver: Driver): Promise<void> {
    let process: ExecProcess;
    try {
      process = await driver.startExec(toExecSpec(this.#request, this.sandbox.id));
    } catch (error) {
      this.fail(toStartError(error, this.sandbox));
      return;
    }
    this.#run(process);
  }

  /** Closes one of the child's output streams, so that it meets SIGPIPE on its next write. */
  closeStream(stream: OutputStream): void {
    // Also after the end of the process: another may hold the stream and write.
    if (this.#outputs === undefined) this.#acts.do(() => this.#outputs?.close(stream));
    else this.#outputs.close(stream);
  }

  /** Sends a signal to the process group; KILL ends the exec for the reason `killed`. */
  signal(client: string | undefined, { signal, number }: SignalRequest): void {
    if (!this.clients.isNewSignal(client, number)) return;
    if (signal === 'KILL') this.kill('killed');
    else this.#acts.do((process) => process.signal(signal));
  }

  /** KILL, now; where the command has ended, to what it has left. */
  kill(reason: ExitReason): void {
    this.#acts.do((process) => {
      this.#cause ??= reason;
      process.kill();
    });
    if (this.#exit !== null && !this.hasEnded) this.#acts.killLeft();
    this.#press();
  }

  /** TERM (after HUP, where somebody hung up), and KILL when that did not help. */
  end(reason: ExitReason, killAfterMs = this.#request.kill_after_ms ?? KILL_AFTER_MS): void {
    this.#acts.do((process) => {
      this.#cause ??= reason;
      if (reason === 'client_gone') process.signal('HUP');
      process.signal('TERM');
      this.#timers.after(killAfterMs, () => {
        if (this.#exit === null) this.kill(reason);
      });
    });
    // Nobody is left to take a TERM. Where the server goes, what is in the background is not ours to end.
    if (this.#exit !== null && reason === 'killed' && !this.#isHurried) this.kill(reason);
    this.#press();
  }

  /** The server stops: ends the command, and whoever has not read on by then is waited for no longer than others. */
  hurry(): void {
    if (this.#isHurried) return;
    this.#isHurried = true;
    this.end('killed');
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
    this.clients.readers.destroy();
  }

  #run(process: ExecProcess): void {
    this.#process = process;
    this.#startedAt = performance.now();
    const outputs = new ExecOutputs(process, {
      append: (stream, chunk) => {
        this.clients.append(stream, chunk);
      },
      hasCredit: (stream) => this.clients.hasCredit(stream),
      onChange: () => {
        this.#drain?.advance();
      },
    });
    this.#outputs = outputs;
    this.#drain = new ExecDrain(outputs, {
      isHeld: () => this.clients.isHeld,
      onDone: () => {
        this.#finishExited(outputs);
      },
    });
    this.clients.stdin.connect(process.stdin);
    this.#started = { type: 'started', exec: this.id, sandbox: this.sandbox.name, time: Date.now() };
    this.clients.readers.tell(this.#started);
    if (this.#request.timeout_ms !== undefined) {
      this.#timers.after(this.#request.timeout_ms, () => {
        // Where we were late, a command that had ended in time is heard of first.
        setImmediate(() => {
          this.end('timeout');
        });
      });
    }
    process.ended.then(
      (exit) => {
        this.#reap(exit);
      },
      (error: unknown) => {
        // It may still run, and nobody would hear of its end.
        this.#acts.killLeft();
        outputs.closeAll();
        this.fail(new SbxError('session_lost', `Nobody could learn how the command ended: ${String(error)}`));
      },
    );
    this.#acts.begin(process);
  }

  /** No reader's pausing delays the end any more, also that of a command which is still being started. */
  #press(): void {
    if (this.#drain === undefined) this.#acts.do(() => this.#drain?.press());
    else this.#drain.press();
  }

  #reap(exit: Exit): void {
    this.#exit = exit;
    this.#acts.end();
    this.clients.stdin.close();
    this.#drain?.begin();
  }

  #finishExited(outputs: ExecOutputs): void {
    const reason = this.#cause ?? (this.#process?.wasOutOfMemory() ? 'out_of_memory' : 'exited');
    const isTruncated = !outputs.areOver;
    outputs.discard();
    this.#finish({
      type: 'exit',
      exit: this.#exit,
      reason,
      bytes: this.clients.journal.written,
      closed: outputs.closed,
      drain_truncated: isTruncated,
      duration_ms: Math.round(performance.now() - this.#startedAt),
    });
  }

  #finish(terminal: TerminalEvent): void {
    if (this.hasEnded) return;
    this.#end = { at: new Date(), terminal };
    this.#acts.end();
    this.#timers.clear();
    this.clients.stdin.close();
    this.#options.onEnd(this);
    this.clients.readers.wake();
    this.clients.readers.checkAllRead();
  }

  /** Nobody holds the command back any more, and unless it is to go on nobody waits for its end. */
  #onOwnerGone(): void {
    const isKept = !this.#isGivenUp && (this.#isDetached || this.#request.on_disconnect === 'keep');
    if (isKept && !this.hasEnded) this.#keep();
    this.clients.journal.letGo();
    this.#outputs?.poke();
    if (!isKept && !this.hasEnded) this.end('client_gone');
  }

  #keep(): void {
    if (this.clients.journal.store === undefined) {
      try {
        this.clients.journal.keepIn(this.#options.openLog());
      } catch (error) {
        this.#options.log(`The output of exec ${this.id} is not kept: ${String(error)}`);
      }
    }
    if (this.#isDetached) return;
    this.#isDetached = true;
    this.#options.onKept(this);
  }
}
