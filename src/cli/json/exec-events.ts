import type { OutputTarget } from '../../client/exec-session-options.ts';
import type { ErrorBody } from '../../protocol/errors.ts';
import type { ExecEvent, OutputStream, StartedEvent } from '../../protocol/events.ts';
import type { Context } from '../context.ts';
import { toEndStatus, type ExecEnd, type ExecOutput, type ExecOutputOptions } from '../exec/exec-output.ts';
import { formatJsonLine, JSON_SCHEMA } from './ascii-json.ts';
import { formatBytes } from './byte-text.ts';
import { toEndError } from './end-error.ts';
import { toErrorEvent } from './exec-error-form.ts';
import { JsonStdout } from './json-stdout.ts';

/** `--stream --json`: an event a line, each flushed; the last one, and no other, tells the end. */
export class JsonEvents implements ExecOutput {
  readonly targets: Readonly<Record<OutputStream, OutputTarget>>;
  readonly #context: Context;
  readonly #stdout: JsonStdout;
  readonly #hasInput: boolean;
  readonly #offsets = { stdout: 0, stderr: 0 };
  /** When the server read the bytes that come next, in milliseconds since the epoch. */
  #time = Date.now();
  #hasStarted = false;
  #onStarted: () => void = () => undefined;
  /** Resolves when the command runs, and that was told. */
  readonly started = new Promise<void>((resolve) => {
    this.#onStarted = resolve;
  });
  #isStdinClosed = false;
  #isOver = false;

  /** `hasInput`: our stdin is requests, and who sends them wants to know how far they are taken. */
  constructor(options: ExecOutputOptions & { hasInput: boolean }) {
    this.#context = options.context;
    this.#hasInput = options.hasInput;
    this.#stdout = new JsonStdout(options);
    this.targets = { stdout: this.#targetOf('stdout'), stderr: this.#targetOf('stderr') };
  }

  take(event: ExecEvent): void {
    if (event.type === 'stdout' || event.type === 'stderr') this.#time = event.time;
    else if (event.type === 'started') this.#start(event);
    else if (event.type === 'stdin' && event.closed) this.#closeStdin();
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
    return (chunk, written) => {
      const head = `{"event":"${stream}","offset":${this.#offsets[stream]},"time":${this.#time},`;
      this.#offsets[stream] += chunk.length;
      this.#stdout.write(`${head}${formatBytes(chunk)}}\n`, written);
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
