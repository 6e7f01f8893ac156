import type { ExecProcess } from '../drivers/driver.ts';
import { OUTPUT_STREAMS, type OutputStream } from '../protocol/events.ts';
import { ExecOutput } from './exec-output.ts';

export interface ExecOutputsHooks {
  append(stream: OutputStream, chunk: Uint8Array): void;
  hasCredit(stream: OutputStream): boolean;
  onChange(): void;
}

/** Both output streams of a started command. */
export class ExecOutputs {
  readonly #outputs: Readonly<Record<OutputStream, ExecOutput>>;

  constructor(process: ExecProcess, hooks: ExecOutputsHooks) {
    const open = (stream: OutputStream): ExecOutput =>
      new ExecOutput(process[stream], {
        append: (chunk) => {
          hooks.append(stream, chunk);
        },
        hasCredit: () => hooks.hasCredit(stream),
        onChange: () => {
          hooks.onChange();
        },
      });
    this.#outputs = { stdout: open('stdout'), stderr: open('stderr') };
  }

  get areOver(): boolean {
    return this.#all.every((output) => output.isOver);
  }

  get isAnyOwing(): boolean {
    return this.#all.some((output) => output.isOwing);
  }

  get isAnyStalled(): boolean {
    return this.#all.some((output) => output.isStalled);
  }

  /** Those that were closed on request. */
  get closed(): OutputStream[] {
    return OUTPUT_STREAMS.filter((stream) => this.#outputs[stream].isClosed);
  }

  poke(): void {
    for (const output of this.#all) output.poke();
  }

  settle(): void {
    for (const output of this.#all) output.settle();
  }

  forgetTaken(): void {
    for (const output of this.#all) output.forgetTaken();
  }

  discard(): void {
    for (const output of this.#all) output.discard();
  }

  close(stream: OutputStream): void {
    this.#outputs[stream].close();
  }

  closeAll(): void {
    for (const output of this.#all) output.close();
  }

  get #all(): readonly ExecOutput[] {
    return [this.#outputs.stdout, this.#outputs.stderr];
  }
}
