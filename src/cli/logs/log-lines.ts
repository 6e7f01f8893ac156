import type { Gap } from '../../client/output-lane.ts';
import type { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type OutputStream } from '../../protocol/events.ts';
import type { ExecOutputOptions } from '../exec/exec-output.ts';
import { toGapLine } from '../exec/gap-line.ts';
import { openOutput, type OutputWriter } from '../io/output-writer.ts';
import { LineStamps } from './line-stamps.ts';
import type { LogPlace, ShownBytes } from './log-place.ts';

/** A log for people: stdout to stdout, stderr to stderr, perhaps with times, and what is missing on stderr. */
export class LogLines implements LogPlace {
  readonly isOrdered = false;
  readonly #options: ExecOutputOptions;
  readonly #writers: Readonly<Record<OutputStream, OutputWriter>>;
  readonly #stamps: Readonly<Record<OutputStream, LineStamps>> | undefined;
  #failure: SbxError | undefined;

  constructor(options: ExecOutputOptions, { hasTimestamps }: { hasTimestamps: boolean }) {
    this.#options = options;
    this.#writers = { stdout: this.#openWriter('stdout'), stderr: this.#openWriter('stderr') };
    if (hasTimestamps) this.#stamps = { stdout: new LineStamps(), stderr: new LineStamps() };
  }

  write({ stream, bytes, time }: ShownBytes, written: () => void): void {
    this.#writers[stream].write(this.#stamps?.[stream].take(bytes, time) ?? bytes, written);
  }

  skip(stream: OutputStream): void {
    this.#stamps?.[stream].skip();
  }

  tellGap(gap: Gap, told: () => void): void {
    this.#writers.stderr.write(toGapLine(gap), told);
  }

  async finish(): Promise<void> {
    for (const stream of OUTPUT_STREAMS) await this.#writers[stream].finish();
    if (this.#failure !== undefined) throw this.#failure;
  }

  abandon(): void {
    for (const stream of OUTPUT_STREAMS) this.#writers[stream].abandon();
  }

  #openWriter(stream: OutputStream): OutputWriter {
    const { context, poll, onReaderGone, onFailure } = this.#options;
    return openOutput({
      stream,
      isClosed: context.closedDescriptors.has(stream === 'stdout' ? 1 : 2),
      poll,
      onReaderGone: () => {
        onReaderGone([stream]);
      },
      onFailure: (error) => {
        this.#failure ??= error;
        onFailure();
      },
    });
  }
}
