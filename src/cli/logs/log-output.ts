import type { OutputTarget } from '../../client/exec-session-options.ts';
import type { Gap } from '../../client/output-lane.ts';
import { SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type ExecEvent, type OutputStream } from '../../protocol/events.ts';
import { toEndStatus, type ExecEnd, type ExecOutput, type ExecOutputOptions } from '../exec/exec-output.ts';
import { LogEnd } from './log-end.ts';
import type { LogPlace, ShownBytes } from './log-place.ts';
import { SinceFilter } from './since-filter.ts';

export interface LogForm {
  readonly streams: readonly OutputStream[];
  /** Goes on after what is there. */
  readonly isFollowing: boolean;
  /** Only lines that came at this time or later, in milliseconds since the epoch. */
  readonly since: number | undefined;
  readonly openPlace: (options: ExecOutputOptions) => LogPlace;
}

type Missing = Omit<Gap, 'stream'>;

/** The output of an exec as `sbx logs` shows it: some of it; its end is no matter of ours. */
export class LogOutput implements ExecOutput {
  readonly targets: Readonly<Record<OutputStream, OutputTarget>>;
  readonly #options: ExecOutputOptions;
  readonly #form: LogForm;
  readonly #place: LogPlace;
  readonly #filters: Readonly<Record<OutputStream, SinceFilter>> | undefined;
  readonly #end = new LogEnd();
  /** Bytes that are missing before the next line, which may be too old to be shown. */
  readonly #missing: Record<OutputStream, Missing | undefined> = { stdout: undefined, stderr: undefined };
  #hasEnough = false;

  constructor(options: ExecOutputOptions, form: LogForm) {
    const { since, streams, openPlace } = form;
    this.#options = options;
    this.#form = form;
    this.#place = openPlace({
      ...options,
      onReaderGone: (gone) => {
        if (gone.some((stream) => streams.includes(stream))) options.onReaderGone(gone);
      },
    });
    if (since !== undefined) {
      this.#filters = { stdout: new SinceFilter(since), stderr: new SinceFilter(since) };
    }
    this.targets = { stdout: this.#targetOf('stdout'), stderr: this.#targetOf('stderr') };
  }

  take(event: ExecEvent): void {
    this.#end.take(event);
    // Of output the bytes are to be written first.
    if (event.type === 'attached' || event.type === 'gap') this.#checkEnough();
  }

  get isOrdered(): boolean {
    return this.#place.isOrdered;
  }

  tellGap({ stream, from, to }: Gap, told: () => void): void {
    if (!this.#form.streams.includes(stream)) {
      told();
      return;
    }
    this.#filters?.[stream].skip();
    this.#place.skip(stream);
    this.#missing[stream] = { from: this.#missing[stream]?.from ?? from, to };
    if (this.#filters === undefined) this.#tellMissing(stream, told);
    else told();
  }

  async finish(end: ExecEnd): Promise<number> {
    if ('abortedBy' in end) {
      this.#place.abandon();
      return toEndStatus(end);
    }
    for (const stream of OUTPUT_STREAMS) this.#tellMissing(stream);
    await this.#place.finish().catch((error: unknown) => {
      throw toOwnError(error);
    });
    if ('error' in end && !this.#hasEnough && !this.#end.hasEnded) throw end.error;
    return 0;
  }

  close(): void {
    // Nothing is kept.
  }

  #targetOf(stream: OutputStream): OutputTarget {
    const isShown = this.#form.streams.includes(stream);
    return (chunk, written, place) => {
      if (isShown) this.#show({ stream, ...place, bytes: chunk }, written);
      else written();
      this.#checkEnough();
    };
  }

  #show({ stream, offset, time, bytes: chunk }: ShownBytes, written: () => void): void {
    const bytes = this.#filters?.[stream].take(chunk, time) ?? chunk;
    if (bytes.length === 0) {
      this.#missing[stream] = undefined;
      written();
      return;
    }
    this.#tellMissing(stream);
    const into = bytes.byteOffset - chunk.byteOffset;
    this.#place.write({ stream, offset: offset + into, time, bytes }, written);
  }

  #tellMissing(stream: OutputStream, told: () => void = () => undefined): void {
    const missing = this.#missing[stream];
    if (missing === undefined) return;
    this.#missing[stream] = undefined;
    this.#place.tellGap({ stream, ...missing }, told);
  }

  #checkEnough(): void {
    if (this.#hasEnough || this.#form.isFollowing || !this.#end.isReached) return;
    this.#hasEnough = true;
    this.#options.onEnough();
  }
}

/** The table's words are about a command that we started. */
function toOwnError(error: unknown): unknown {
  if (!(error instanceof SbxError) || error.code !== 'output_failed') return error;
  const hint = 'Nothing is lost: what the exec printed can be read again';
  return new SbxError(error.code, error.message, { cause: error, hint });
}
