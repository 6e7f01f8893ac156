import type { OutputTarget } from '../../client/exec-session-options.ts';
import type { Gap } from '../../client/output-lane.ts';
import type { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type OutputStream } from '../../protocol/events.ts';
import { OutputStore } from '../io/output-store.ts';
import { openOutput, type OutputWriter } from '../io/output-writer.ts';
import {
  toEndStatus,
  type ExecEnd,
  type ExecForm,
  type ExecOutput,
  type ExecOutputOptions,
} from './exec-output.ts';
import { toGapLine } from './gap-line.ts';

export function openPlainForm(options: ExecOutputOptions): ExecForm {
  return { output: new PlainOutput(options) };
}

/** The bytes of the command as they are: stdout to stdout, stderr to stderr, as they come or whole at the end. */
class PlainOutput implements ExecOutput {
  readonly targets: Readonly<Record<OutputStream, OutputTarget>>;
  readonly #options: ExecOutputOptions;
  readonly #writers: Readonly<Record<OutputStream, OutputWriter>>;
  readonly #store: OutputStore | undefined;
  #failure: SbxError | undefined;

  constructor(options: ExecOutputOptions) {
    this.#options = options;
    this.#writers = { stdout: this.#openWriter('stdout'), stderr: this.#openWriter('stderr') };
    this.#store = options.isStreaming ? undefined : new OutputStore();
    this.targets = { stdout: this.#targetOf('stdout'), stderr: this.#targetOf('stderr') };
  }

  take(): void {
    // The bytes are all there is to show, but for those that are missing.
  }

  tellGap(gap: Gap, told: () => void): void {
    const line = toGapLine(gap);
    this.targets.stderr(line, told, { offset: gap.from, time: 0 });
  }

  async finish(end: ExecEnd): Promise<number> {
    if ('abortedBy' in end) {
      for (const stream of OUTPUT_STREAMS) this.#writers[stream].abandon();
      return toEndStatus(end);
    }
    for (const stream of OUTPUT_STREAMS) {
      await this.#store?.print(stream, this.#writers[stream]);
      await this.#writers[stream].finish();
    }
    if (this.#failure !== undefined) throw this.#failure;
    if ('error' in end) throw end.error;
    return toEndStatus(end);
  }

  close(): void {
    this.#store?.close();
  }

  #openWriter(stream: OutputStream): OutputWriter {
    const { context, poll, onReaderGone } = this.#options;
    return openOutput({
      stream,
      isClosed: context.closedDescriptors.has(stream === 'stdout' ? 1 : 2),
      poll,
      onReaderGone: () => {
        onReaderGone([stream]);
      },
      onFailure: (error) => {
        this.#fail(error);
      },
    });
  }

  #targetOf(stream: OutputStream): OutputTarget {
    const store = this.#store;
    if (store === undefined) {
      const writer = this.#writers[stream];
      return (chunk, written) => {
        writer.write(chunk, written);
      };
    }
    return (chunk, written) => {
      try {
        if (this.#failure === undefined) store.append(stream, chunk);
      } catch (error) {
        this.#fail(error as SbxError);
      }
      written();
    };
  }

  #fail(error: SbxError): void {
    this.#failure ??= error;
    this.#options.onFailure();
  }
}
