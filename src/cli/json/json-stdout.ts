import type { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS } from '../../protocol/events.ts';
import type { ExecOutputOptions } from '../exec/exec-output.ts';
import { openOutput, type OutputWriter } from '../io/output-writer.ts';

/** Our stdout where it carries JSON, and with it both streams of the command: a reader that goes has left both. */
export class JsonStdout {
  readonly #writer: OutputWriter;
  #isOver = false;
  #failure: SbxError | undefined;

  constructor({ context, poll, onReaderGone, onFailure }: ExecOutputOptions) {
    this.#writer = openOutput({
      stream: 'stdout',
      isClosed: context.closedDescriptors.has(1),
      poll,
      onReaderGone: () => {
        this.#isOver = true;
        onReaderGone(OUTPUT_STREAMS);
      },
      onFailure: (error) => {
        this.#isOver = true;
        this.#failure ??= error;
        onFailure();
      },
    });
  }

  /** Nobody can have what is written from here on. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Writes ASCII. `written` is called when it is with the reader, or when nobody can have it. */
  write(text: string, written: () => void): void {
    this.#writer.write(Buffer.from(text, 'latin1'), written);
  }

  /** The same; resolves when it is written. */
  print(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.write(text, resolve);
    });
  }

  /** Lets go at once, of what is not written as well. */
  abandon(): void {
    this.#isOver = true;
    this.#writer.abandon();
  }

  /** Flushes. @throws SbxError `output_failed` where a part was not written for another reason than a reader that left */
  async finish(): Promise<void> {
    await this.#writer.finish();
    if (this.#failure !== undefined) throw this.#failure;
  }
}
