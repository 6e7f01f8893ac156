import { DrainClock } from './drain-clock.ts';
import type { ExecOutputs } from './exec-outputs.ts';

/** After the main process has ended, how long its pipes are read on for what others write into them. */
const DRAIN_MS = 2_000;

export interface ExecDrainHooks {
  /** Whether there is somebody for whose sake reading waits. */
  isHeld(): boolean;
  /** Once: the output counts as complete. */
  onDone(): void;
}

/** What lies between the end of the main process and that of its exec: whoever still writes is heard for a while. */
export class ExecDrain {
  readonly #outputs: ExecOutputs;
  readonly #hooks: ExecDrainHooks;
  readonly #clock = new DrainClock(DRAIN_MS, () => {
    this.#onTimeOver();
  });
  #hasBegun = false;
  #isTimeOver = false;
  #isPressed = false;
  #isDone = false;

  constructor(outputs: ExecOutputs, hooks: ExecDrainHooks) {
    this.#outputs = outputs;
    this.#hooks = hooks;
  }

  /** The main process has ended. */
  begin(): void {
    this.#hasBegun = true;
    this.#outputs.settle();
    this.advance();
  }

  /** Somebody wants the exec to end: no reader's pausing delays that any more. */
  press(): void {
    this.#isPressed = true;
    this.advance();
  }

  /** Decides, whenever a stream has changed, whether the exec has ended. */
  advance(): void {
    if (!this.#hasBegun || this.#isDone) return;
    const outputs = this.#outputs;
    if (outputs.areOver || (this.#isTimeOver && !outputs.isAnyOwing)) {
      this.#clock.pause();
      this.#isDone = true;
      this.#hooks.onDone();
    } else if (outputs.isAnyStalled && this.#hooks.isHeld() && !this.#isPressed) this.#clock.pause();
    else if (!this.#isTimeOver) this.#clock.run();
  }

  #onTimeOver(): void {
    this.#isTimeOver = true;
    this.#outputs.forgetTaken();
    this.advance();
    if (this.#isDone) return;
    // What is owed and in the pipe is read within a turn, unless somebody in the sandbox is faster.
    setImmediate(() => {
      this.#onTimeOver();
    });
  }
}
