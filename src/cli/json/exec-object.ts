import type { OutputTarget } from '../../client/exec-session-options.ts';
import type { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type ExecEvent, type OutputStream } from '../../protocol/events.ts';
import { toEndStatus, type ExecEnd, type ExecOutput, type ExecOutputOptions } from '../exec/exec-output.ts';
import { OutputStore } from '../io/output-store.ts';
import { escapeNonAscii, JSON_SCHEMA } from './ascii-json.ts';
import { toEndError } from './end-error.ts';
import { JsonStdout } from './json-stdout.ts';
import { formatStream } from './stream-text.ts';

/** What the exec was asked to be. */
export interface AskedExec {
  readonly id: string;
  /** As it was typed: a name or an id; undefined for a fresh one. */
  readonly sandbox: string | undefined;
}

/** `--json`: one object when the command has ended, of any size and never whole in memory. */
export class JsonObject implements ExecOutput {
  readonly targets: Readonly<Record<OutputStream, OutputTarget>>;
  readonly #options: ExecOutputOptions & AskedExec;
  readonly #stdout: JsonStdout;
  readonly #store = new OutputStore();
  readonly #bytes = { stdout: 0, stderr: 0 };
  #sandbox: string | undefined;
  /** The output cannot be kept. */
  #failure: SbxError | undefined;

  constructor(options: ExecOutputOptions & AskedExec) {
    this.#options = options;
    this.#stdout = new JsonStdout(options);
    this.targets = { stdout: this.#targetOf('stdout'), stderr: this.#targetOf('stderr') };
  }

  take(event: ExecEvent): void {
    if (event.type === 'started') this.#sandbox = event.sandbox;
  }

  async finish(ended: ExecEnd): Promise<number> {
    const end = this.#failure === undefined ? ended : { error: this.#failure };
    const status = toEndStatus(end);
    const head = escapeNonAscii(JSON.stringify(this.#toHead(end, status)));
    await this.#stdout.print(head.slice(0, -1));
    for (const stream of OUTPUT_STREAMS) {
      await this.#stdout.print(`,"${stream}":{`);
      for (const text of formatStream(() => this.#store.read(stream))) {
        if (this.#stdout.isOver) break;
        await this.#stdout.print(text);
      }
      await this.#stdout.print('}');
    }
    await this.#stdout.print('}\n');
    await this.#stdout.finish();
    return status;
  }

  close(): void {
    this.#store.close();
  }

  #targetOf(stream: OutputStream): OutputTarget {
    return (chunk, written) => {
      try {
        if (this.#failure === undefined) {
          this.#store.append(stream, chunk);
          this.#bytes[stream] += chunk.length;
        }
      } catch (error) {
        this.#failure = error as SbxError;
        this.#options.onFailure();
      }
      written();
    };
  }

  /** All members but the streams. */
  #toHead(end: ExecEnd, status: number): object {
    const { id } = this.#options;
    const common = { schema: JSON_SCHEMA, id, sandbox: this.#findSandbox(status) };
    if (!('event' in end)) {
      const error = toEndError(end, this.#options.context);
      const unknown = { bytes: this.#bytes, duration_ms: null, drain_truncated: false };
      return { ...common, exit: null, reason: null, status, error, ...unknown };
    }
    const { exit, reason, bytes, duration_ms, drain_truncated } = end.event;
    return { ...common, exit, reason, status, error: null, bytes, duration_ms, drain_truncated };
  }

  /** A command that cannot be started was looked for in the sandbox: it is there. */
  #findSandbox(status: number): string | null {
    const { sandbox: asked } = this.#options;
    return this.#sandbox ?? ((status === 126 || status === 127) && asked !== undefined ? asked : null);
  }
}
