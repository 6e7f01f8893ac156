import { OUTPUT_STREAMS, type GapEvent } from '../../protocol/events.ts';
import type { ExecOutputOptions } from '../exec/exec-output.ts';
import { GapTeller } from '../exec/gap-teller.ts';
import type { LogPlace, ShownBytes } from '../logs/log-place.ts';
import { formatGapEvent, formatOutputEvent } from './event-lines.ts';
import { JsonStdout } from './json-stdout.ts';

/** `sbx logs --json`: an event a line, on stdout alone; its end is the end of the lines. */
export class LogEvents implements LogPlace {
  readonly #stdout: JsonStdout;
  readonly #gaps = new GapTeller((gap, written) => {
    this.#stdout.write(formatGapEvent(gap), written);
  });

  constructor(options: ExecOutputOptions) {
    this.#stdout = new JsonStdout(options);
  }

  write({ stream, ...output }: ShownBytes, written: () => void): void {
    this.#gaps.flush(stream);
    this.#stdout.write(formatOutputEvent(stream, output), written);
  }

  skip(): void {
    // An offset tells as much.
  }

  tellGap(gap: Pick<GapEvent, 'stream' | 'from' | 'to'>): void {
    this.#gaps.tell(gap);
  }

  finish(): Promise<void> {
    for (const stream of OUTPUT_STREAMS) this.#gaps.flush(stream);
    return this.#stdout.finish();
  }

  abandon(): void {
    this.#stdout.abandon();
  }
}
