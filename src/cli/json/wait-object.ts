import type { ExecEvent } from '../../protocol/events.ts';
import type { Context } from '../context.ts';
import { toEndStatus, type ExecEnd, type ExecOutput } from '../exec/exec-output.ts';
import { SilentOutput } from '../exec/silent-output.ts';
import { toErrorBody } from '../report-error.ts';
import { printJson } from './print-json.ts';

/** `sbx wait --json`: how an exec ended, as one object; nothing where a signal ended the waiting. */
export class WaitObject implements ExecOutput {
  readonly #silent = new SilentOutput();
  readonly targets = this.#silent.targets;
  readonly #context: Context;
  #exec: { readonly id: string; readonly sandbox: string } | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  take(event: ExecEvent): void {
    if (event.type === 'attached') this.#exec = { id: event.exec, sandbox: event.sandbox };
  }

  async finish(end: ExecEnd): Promise<number> {
    // An exec that was not found, or could not be asked about, is no end of one.
    if (this.#exec === undefined || 'abortedBy' in end) return this.#silent.finish(end);
    const status = toEndStatus(end);
    const { exit, reason } = 'event' in end ? end.event : { exit: null, reason: null };
    const error = 'error' in end ? toErrorBody(end.error, this.#context) : null;
    await printJson(this.#context, { ...this.#exec, exit, reason, status, error });
    return status;
  }

  close(): void {
    // Nothing is kept.
  }
}
