import type { OutputPipe } from '../drivers/driver.ts';

export interface ExecOutputHooks {
  /** Bytes to keep; copied before it returns. */
  append(chunk: Uint8Array): void;
  /** Whether the readers can take more. */
  hasCredit(): boolean;
  /** The stream has changed between being read, waiting for credit and having ended. */
  onChange(): void;
}

/**
 * The reading of one output pipe: as far as there is credit, and beyond it only for the bytes that lay in the pipe when
 * the main process ended, which are always delivered. One read more is then allowed: mostly it finds the end of the stream
 * behind them, which nobody's credit is needed for.
 */
export class ExecOutput {
  readonly #pipe: OutputPipe;
  readonly #hooks: ExecOutputHooks;
  #owed = 0;
  #mayLookForEnd = false;
  #isStalled = false;
  #isDiscarding = false;
  #isEnded = false;
  #isClosed = false;

  constructor(pipe: OutputPipe, hooks: ExecOutputHooks) {
    this.#pipe = pipe;
    this.#hooks = hooks;
    pipe.open({ data: (chunk) => this.#take(chunk), end: () => this.#end() });
  }

  /** Nothing more will come: every writer has gone, or the stream was closed on request. */
  get isOver(): boolean {
    return this.#isEnded || this.#isClosed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Waits for credit. */
  get isStalled(): boolean {
    return this.#isStalled && !this.isOver;
  }

  /** Bytes from before the end of the main process are still to be read. */
  get isOwing(): boolean {
    return this.#owed > 0 && !this.isOver;
  }

  /** There may be credit again. */
  poke(): void {
    if (!this.isStalled || !this.#mayRead()) return;
    this.#isStalled = false;
    this.#pipe.resume();
    this.#hooks.onChange();
  }

  /** The main process has ended: what lies in the pipe now is owed to the reader. */
  settle(): void {
    if (this.isOver) return;
    this.#owed = this.#pipe.pendingBytes();
    this.#mayLookForEnd = true;
    this.poke();
  }

  /** What is owed and not in the pipe any more was taken by somebody in the sandbox, who may read it as we do. */
  forgetTaken(): void {
    if (this.isOwing) this.#owed = Math.min(this.#owed, this.#pipe.pendingBytes());
  }

  /** Goes on reading and throws away, so that who still writes is not killed by our leaving, while the server is there. */
  discard(): void {
    this.#isDiscarding = true;
    this.#pipe.unref();
    this.poke();
  }

  /** Closes the read end: the child meets SIGPIPE on its next write. */
  close(): void {
    if (this.isOver) return;
    this.#isClosed = true;
    this.#pipe.close();
    this.#hooks.onChange();
  }

  #take(chunk: Uint8Array): boolean {
    if (this.#isDiscarding) return true;
    const wasOwing = this.#owed > 0;
    if (!wasOwing) this.#mayLookForEnd = false;
    this.#owed = Math.max(0, this.#owed - chunk.length);
    this.#hooks.append(chunk);
    this.#isStalled = !this.#mayRead();
    if (this.#isStalled || (wasOwing && this.#owed === 0)) this.#hooks.onChange();
    return !this.#isStalled;
  }

  #mayRead(): boolean {
    return this.#isDiscarding || this.#owed > 0 || this.#mayLookForEnd || this.#hooks.hasCredit();
  }

  #end(): void {
    if (this.isOver) return;
    this.#isEnded = true;
    this.#hooks.onChange();
  }
}
