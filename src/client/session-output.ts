import {
  OUTPUT_STREAMS,
  type ExitEvent,
  type GapEvent,
  type OutputEvent,
  type OutputStream,
  type StreamBytes,
} from '../protocol/events.ts';
import { SbxError } from '../protocol/errors.ts';
import type { ExecSessionOptions } from './exec-session-options.ts';
import { toLost } from './lost.ts';
import { OutputLane } from './output-lane.ts';

export interface SessionOutputHooks {
  /** More is where it belongs. */
  onWritten(): void;
  /** What a target threw. */
  onFailure(error: Error): void;
}

type Targets = Pick<ExecSessionOptions, 'stdout' | 'stderr' | 'isOrdered' | 'onGap'>;

/** The output of one session on its way to the targets: which bytes came, and which are where they belong. */
export class SessionOutput {
  readonly #targets: Targets;
  readonly #hooks: SessionOutputHooks;
  readonly #lanes: Readonly<Record<OutputStream, OutputLane>>;
  readonly #received = { stdout: 0, stderr: 0 };
  readonly #written = { stdout: 0, stderr: 0 };

  constructor(targets: Targets, hooks: SessionOutputHooks) {
    this.#targets = targets;
    this.#hooks = hooks;
    const stdout = this.#openLane();
    this.#lanes = { stdout, stderr: targets.isOrdered ? stdout : this.#openLane() };
  }

  /** Offsets up to which bytes came, or are known to be missing. */
  get received(): StreamBytes {
    return this.#received;
  }

  /** Offsets up to which they are where they belong. */
  get written(): StreamBytes {
    return this.#written;
  }

  /** What comes begins there. */
  beginAt(from: StreamBytes): void {
    for (const offsets of [this.#received, this.#written]) Object.assign(offsets, from);
  }

  /** @throws SbxError `session_lost` for bytes that do not follow those before */
  take({ type, offset, time, bytes }: OutputEvent): void {
    const due = this.#received[type];
    if (offset !== due) throw toLost(`${type} went on at byte ${offset} where byte ${due} was due`);
    this.#received[type] += bytes.length;
    this.#lanes[type].pushOutput({ type, offset, time, bytes });
  }

  /** @throws SbxError `session_lost` where nobody wants to know of gaps */
  takeGap({ stream, from, to }: GapEvent): void {
    if (this.#targets.onGap === undefined) {
      throw toLost(`the server left out bytes ${from} to ${to} of ${stream}`);
    }
    this.#received[stream] = to;
    this.#lanes[stream].pushGap({ stream, from, to });
  }

  /** Nothing more will come: the targets get all there is. */
  hurry(): void {
    for (const stream of OUTPUT_STREAMS) this.#lanes[stream].hurry();
  }

  /** What is wrong where the exec wrote more than came. */
  findMissing({ bytes, closed }: ExitEvent): SbxError | undefined {
    const stream = OUTPUT_STREAMS.find(
      (name) => !closed.includes(name) && bytes[name] !== this.#received[name],
    );
    if (stream === undefined) return undefined;
    const why = `${this.#received[stream]} of ${bytes[stream]} bytes of ${stream} arrived`;
    return new SbxError('session_lost', `The byte counts do not add up: ${why}`);
  }

  #openLane(): OutputLane {
    return new OutputLane({
      takeOutput: ({ type, offset, time, bytes }, done) => {
        const end = offset + bytes.length;
        const written = (): void => {
          this.#count(type, end);
          done();
        };
        this.#targets[type](bytes, written, { offset, time });
      },
      takeGap: (gap, done) => {
        this.#targets.onGap?.(gap, () => {
          this.#count(gap.stream, gap.to);
          done();
        });
      },
      onFailure: (error) => {
        this.#hooks.onFailure(error);
      },
    });
  }

  #count(stream: OutputStream, offset: number): void {
    this.#written[stream] = offset;
    this.#hooks.onWritten();
  }
}
