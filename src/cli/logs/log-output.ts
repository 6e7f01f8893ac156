import type { OutputTarget } from '../../client/exec-session-options.ts';
import { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type ExecEvent, type GapEvent, type OutputStream } from '../../protocol/events.ts';
import { toEndStatus, type ExecEnd, type ExecOutput, type ExecOutputOptions } from '../exec/exec-output.ts';
import { toGapLine } from '../exec/gap-line.ts';
import { openOutput, type OutputWriter } from '../io/output-writer.ts';
import { LineStamps } from './line-stamps.ts';
import { LogEnd } from './log-end.ts';
import { SinceFilter } from './since-filter.ts';

export interface LogForm {
  readonly streams: readonly OutputStream[];
  /** Goes on after what is there. */
  readonly isFollowing: boolean;
  /** Only lines that came at this time or later, in milliseconds since the epoch. */
  readonly since: number | undefined;
  readonly hasTimestamps: boolean;
}

/** The output of an exec as `sbx logs` shows it: some of it, perhaps with times; its end is no matter of ours. */
export class LogOutput implements ExecOutput {
  readonly targets: Readonly<Record<OutputStream, OutputTarget>>;
  readonly #options: ExecOutputOptions;
  readonly #form: LogForm;
  readonly #writers: Readonly<Record<OutputStream, OutputWriter>>;
  readonly #filters: Readonly<Record<OutputStream, SinceFilter>> | undefined;
  readonly #stamps: Readonly<Record<OutputStream, LineStamps>> | undefined;
  readonly #end = new LogEnd();
  /** When the bytes came that are given to a target next. */
  #time = 0;
  /** Bytes that are missing before the next line, which may be too old to be shown. */
  readonly #missing = { stdout: 0, stderr: 0 };
  #hasEnough = false;
  #failure: SbxError | undefined;

  constructor(options: ExecOutputOptions, form: LogForm) {
    const { since, hasTimestamps } = form;
    this.#options = options;
    this.#form = form;
    this.#writers = { stdout: this.#openWriter('stdout'), stderr: this.#openWriter('stderr') };
    if (since !== undefined) {
      this.#filters = { stdout: new SinceFilter(since), stderr: new SinceFilter(since) };
    }
    if (hasTimestamps) this.#stamps = { stdout: new LineStamps(), stderr: new LineStamps() };
    this.targets = { stdout: this.#targetOf('stdout'), stderr: this.#targetOf('stderr') };
  }

  take(event: ExecEvent): void {
    this.#end.take(event);
    if (event.type === 'stdout' || event.type === 'stderr') this.#time = event.time;
    else if (event.type === 'gap') this.#takeGap(event);
    // Of output the bytes are to be written first.
    if (event.type === 'attached' || event.type === 'gap') this.#checkEnough();
  }

  async finish(end: ExecEnd): Promise<number> {
    if ('abortedBy' in end) {
      for (const stream of OUTPUT_STREAMS) this.#writers[stream].abandon();
      return toEndStatus(end);
    }
    for (const stream of OUTPUT_STREAMS) {
      this.#tellMissing(stream);
      await this.#writers[stream].finish();
    }
    if (this.#failure !== undefined) throw this.#failure;
    if ('error' in end && !this.#hasEnough && !this.#end.hasEnded) throw end.error;
    return 0;
  }

  close(): void {
    // Nothing is kept.
  }

  #targetOf(stream: OutputStream): OutputTarget {
    const isShown = this.#form.streams.includes(stream);
    return (chunk, written) => {
      if (isShown) this.#show(stream, chunk, written);
      else written();
      this.#checkEnough();
    };
  }

  #show(stream: OutputStream, chunk: Buffer, written: () => void): void {
    const kept = this.#filters?.[stream].take(chunk, this.#time) ?? chunk;
    if (kept.length === 0) {
      this.#missing[stream] = 0;
      written();
      return;
    }
    this.#tellMissing(stream);
    this.#writers[stream].write(this.#stamps?.[stream].take(kept, this.#time) ?? kept, written);
  }

  #takeGap({ stream, from, to }: GapEvent): void {
    if (!this.#form.streams.includes(stream)) return;
    this.#filters?.[stream].skip();
    this.#stamps?.[stream].skip();
    this.#missing[stream] += to - from;
    if (this.#filters === undefined) this.#tellMissing(stream);
  }

  #tellMissing(stream: OutputStream): void {
    const missing = this.#missing[stream];
    if (missing === 0) return;
    this.#missing[stream] = 0;
    this.#writers.stderr.write(toGapLine({ stream, from: 0, to: missing }), () => undefined);
  }

  #checkEnough(): void {
    if (this.#hasEnough || this.#form.isFollowing || !this.#end.isReached) return;
    this.#hasEnough = true;
    this.#options.onEnough();
  }

  #openWriter(stream: OutputStream): OutputWriter {
    const { context, poll, onReaderGone, onFailure } = this.#options;
    return openOutput({
      stream,
      isClosed: context.closedDescriptors.has(stream === 'stdout' ? 1 : 2),
      poll,
      onReaderGone: () => {
        if (this.#form.streams.includes(stream)) onReaderGone([stream]);
      },
      onFailure: (error) => {
        // The table's words are about a command that we started.
        const hint = 'Nothing is lost: what the exec printed can be read again';
        this.#failure ??= new SbxError(error.code, error.message, { cause: error, hint });
        onFailure();
      },
    });
  }
}
