import type { ExecProcess } from '../drivers/driver.ts';

type Act = (process: ExecProcess) => void;

/** What is done to a command's process while there is one: at once, or as soon as it runs; never after it was reaped. */
export class ProcessActs {
  readonly #onFailure: (error: unknown) => void;
  #process: ExecProcess | undefined;
  /** What was asked for while the command was being started. */
  readonly #early: Act[] = [];
  #isOver = false;

  /** `onFailure`: what cannot be done to one command, for lack of descriptors for instance, is to harm no other. */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  do(act: Act): void {
    if (this.#isOver) return;
    if (this.#process === undefined) {
      this.#early.push(act);
      return;
    }
    this.#try(act, this.#process);
  }

  /** KILL to what a process has left that was reaped, or that nobody can reap. */
  killLeft(): void {
    if (this.#process !== undefined) this.#try((process) => process.kill(), this.#process);
  }

  #try(act: Act, process: ExecProcess): void {
    try {
      act(process);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  begin(process: ExecProcess): void {
    this.#process = process;
    for (const act of this.#early.splice(0)) this.do(act);
  }

  end(): void {
    this.#isOver = true;
    this.#early.length = 0;
  }
}
