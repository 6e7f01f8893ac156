import { toEndStatus, type ExecEnd, type ExecOutput } from './exec-output.ts';

/** Shows nothing: what counts is the end. */
export class SilentOutput implements ExecOutput {
  readonly targets = { stdout: discard, stderr: discard };

  take(): void {
    // Nothing is shown.
  }

  async finish(end: ExecEnd): Promise<number> {
    if ('error' in end) throw end.error;
    return toEndStatus(end);
  }

  close(): void {
    // Nothing is kept.
  }
}

function discard(_chunk: Buffer, written: () => void): void {
  written();
}
