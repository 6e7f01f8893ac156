import { OUTPUT_STREAMS, type ExecEvent, type StreamBytes } from '../../protocol/events.ts';

/** Knows from the events of an attached stream when all is there that was written before it began. */
export class LogEnd {
  #written: StreamBytes | undefined;
  readonly #seen = { stdout: 0, stderr: 0 };
  #hasEnded = false;

  /** Where the stream began to be read; undefined before it is known. */
  get hasBegun(): boolean {
    return this.#written !== undefined;
  }

  /** The exec has come to its end, whatever that is, and so has its log. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Offsets up to which bytes came, or are known to be missing. */
  get seen(): StreamBytes {
    return this.#seen;
  }

  get isReached(): boolean {
    const written = this.#written;
    return written !== undefined && OUTPUT_STREAMS.every((stream) => this.#seen[stream] >= written[stream]);
  }

  /** Takes an event whose bytes count as seen. */
  take(event: ExecEvent): void {
    switch (event.type) {
      case 'attached':
        // After a cut the stream begins again; what is wanted stays what it was.
        if (this.#written === undefined) Object.assign(this.#seen, event.from);
        this.#written ??= event.written;
        break;
      case 'stdout':
      case 'stderr':
        this.#seen[event.type] = event.offset + event.bytes.length;
        break;
      case 'gap':
        this.#seen[event.stream] = event.to;
        break;
      case 'exit':
        this.#hasEnded = this.hasBegun;
        break;
      case 'error':
        // Of the exec, that is: an error before anything is a refusal.
        this.#hasEnded = this.hasBegun && event.error.code !== 'log_unreadable';
        break;
      default:
    }
  }
}
