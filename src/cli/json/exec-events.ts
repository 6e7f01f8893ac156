import type { OutputTarget } from '../../client/exec-session-options.ts';
import type { Gap } from '../../client/output-lane.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { AttachedEvent, ExecEvent, OutputStream, StartedEvent } from '../../protocol/events.ts';
import type { Context } from '../context.ts';
import { toEndStatus, type ExecEnd, type ExecOutput, type ExecOutputOptions } from '../exec/exec-output.ts';
import { formatJsonLine, JSON_SCHEMA } from './ascii-json.ts';
import { toEndError } from './end-error.ts';
import { formatGapEvent, formatOutputEvent } from './event-lines.ts';
import { toErrorEvent } from './exec-error-form.ts';
import { JsonStdout } from './json-stdout.ts';

export interface JsonEventsOptions extends ExecOutputOptions {
  /** Our stdin is requests, and who sends them wants to know how far they are taken. */
  readonly hasInput: boolean;
  /** The exec was there before this run. */
  readonly isAttached: boolean;
}

/** `--stream --json`: an event a line, each flushed; the last one, and no other, tells the end. */
export class JsonEvents implements ExecOutput {
  readonly targets: Readonly<Record<OutputStream, OutputTarget>>;
  readonly isOrdered = true;
  readonly #context: Context;
  readonly #stdout: JsonStdout;
  readonly #hasInput: boolean;
  readonly #isAttached: boolean;
  #hasAttached = false;
  #hasStarted = false;
  #onStarted: () => void = () => undefined;
  /** Resolves when the command runs, and that was told. */
  readonly started = new Promise<void>((resolve) => {
    this.#onStarted = resolve;
  });
  #isStdinClosed = false;
  #isOver = false;

  constructor(options: JsonEventsOptions) {
    this.#context = options.context;
    this.#hasInput = options.hasInput;
    this.#isAttached = options.isAttached;
    this.#stdout = new JsonStdout(options);
    this.targets = { stdout: this.#targetOf('stdout'), stderr: this.#targetOf('stderr') };
  }

  take(event: ExecEvent): void {
    switch (event.type) {
      case 'attached':
        this.#attach(event);
        break;
      case 'taken':
        this.#tell({ event: 'taken' });
        break;
      case 'started':
        this.#start(event);
        break;
      case 'stdin':
        if (event.closed) this.#closeStdin();
        break;
      default:
    }
  }

  tellGap(gap: Gap, told: () => void): void {
    this.#stdout.write(formatGapEvent(gap), told);
  }

  /** Tells of a line of stdin that is no request; resolves when that is written. */
  async tellInputError(line: number, error: ErrorBody): Promise<void> {
    if (!this.#isOver) await this.#stdout.print(formatJsonLine({ event: 'input_error', line, error }));
  }

  async finish(end: ExecEnd): Promise<number> {
    this.#isOver = true;
    const status = toEndStatus(end);
    await this.#stdout.print(formatJsonLine(this.#toTerminal(end, status)));
    await this.#stdout.finish();
    return status;
  }

  close(): void {
    // Nothing was kept.
  }

  /** How a run that was cut off goes on is nobody's matter. */
  #attach({ exec, sandbox, owner, from }: AttachedEvent): void {
    if (this.#hasAttached || !this.#isAttached) return;
    this.#hasAttached = true;
    this.#tell({ event: 'attached', schema: JSON_SCHEMA, id: exec, sandbox, owner, from });
  }

  #start({ exec, sandbox, time }: StartedEvent): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#tell({ event: 'started', schema: JSON_SCHEMA, id: exec, sandbox, time });
    this.#onStarted();
  }

  #closeStdin(): void {
    if (this.#isStdinClosed || !this.#hasInput || !this.#hasStarted) return;
    this.#isStdinClosed = true;
    this.#tell({ event: 'stdin_closed' });
  }

  #targetOf(stream: OutputStream): OutputTarget {
    return (bytes, written, place) => {
      this.#stdout.write(formatOutputEvent(stream, { ...place, bytes }), written);
    };
  }

  #toTerminal(end: ExecEnd, status: number): object {
    if (!('event' in end)) return toErrorEvent(toEndError(end, this.#context), status);
    const { exit, reason, bytes, closed, duration_ms, drain_truncated } = end.event;
    return {
      event: 'exit',
      schema: JSON_SCHEMA,
      exit,
      reason,
      status,
      bytes,
      closed,
      duration_ms,
      drain_truncated,
    };
  }

  #tell(event: object): void {
    this.#stdout.write(formatJsonLine(event), () => undefined);
  }
}
