import type { Gap } from '../../client/output-lane.ts';
import type { ExecOutputOptions } from '../exec/exec-output.ts';
import type { LogPlace, ShownBytes } from '../logs/log-place.ts';
import { formatGapEvent, formatOutputEvent } from './event-lines.ts';
import { JsonStdout } from './json-stdout.ts';

/** `sbx logs --json`: an event a line, on stdout alone; its end is the end of the lines. */
export class LogEvents implements LogPlace {
  readonly isOrdered = true;
  readonly #stdout: JsonStdout;

  constructor(options: ExecOutputOptions) {
    this.#stdout = new JsonStdout(options);
  }

  write({ stream, ...output }: ShownBytes, written: () => void): void {
    this.#stdout.write(formatOutputEvent(stream, output), written);
  }

  skip(): void {
    // An offset tells as much.
  }

  tellGap(gap: Gap, told: () => void): void {
    this.#stdout.write(formatGapEvent(gap), told);
  }

  finish(): Promise<void> {
    return this.#stdout.finish();
  }

  abandon(): void {
    this.#stdout.abandon();
  }
}
