import type { Readable } from 'node:stream';
import type { InputPipe } from '../drivers/driver.ts';
import { STDIN_WINDOW, type StdinAnswer } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import type { StdinEvent } from '../protocol/events.ts';
import { InputQueue } from './input-queue.ts';

/** How often the limit is told, in bytes. */
const TELL_EVERY = 256 * 1024;

/** The stdin of one exec: addressed by offset, so that what is sent twice is written once. */
export class ExecStdin {
  readonly #onChange: (event: StdinEvent) => void;
  readonly #queue = new InputQueue((length) => {
    this.#onFlushed(length);
  });
  #held = 0;
  #accepted = 0;
  /** The limit as it was told last. */
  #told = STDIN_WINDOW;
  /** Bodies are taken one after another, also where one was sent before the other was answered. */
  #lastBody: Promise<unknown> = Promise.resolve();
  /** Counts how often the client has come back: bodies of before are not read any more. */
  #epoch = 0;
  #isEnded = false;
  #isClosed = false;
  readonly #waiting = new Set<() => void>();

  /** `onChange` runs when there is enough of a change to tell it. */
  constructor(onChange: (event: StdinEvent) => void) {
    this.#onChange = onChange;
  }

  get answer(): StdinAnswer {
    return { accepted: this.#accepted, closed: this.#isClosed };
  }

  get state(): StdinEvent {
    return { type: 'stdin', ...this.answer, limit: this.limit };
  }

  /** The client has come back, and sends again what was not accepted. */
  resume(): void {
    this.#epoch += 1;
    this.#lastBody = Promise.resolve();
    this.#release();
  }

  /** How far a client may send without that more than the window is held. */
  get limit(): number {
    return this.#accepted - this.#held + STDIN_WINDOW;
  }

  /** The command runs; null where its stdin is `/dev/null`. */
  connect(pipe: InputPipe | null): void {
    if (pipe === null) {
      this.close();
      return;
    }
    void pipe.closed.then(() => {
      this.close();
    });
    this.#queue.connect(pipe);
  }

  /** Nobody can read any more: what follows is accepted by nobody and harms nobody. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue.destroy();
    this.#release();
    this.#tell();
  }

  /**
   * Takes the bytes of a body that begins at `offset`, as they come; resolves when it has ended or nobody can read it.
   * @throws SbxError `stdin_offset` for a gap, `stdin_ended` after the end
   */
  async accept(offset: number, body: Readable): Promise<StdinAnswer> {
    this.#onChange({ ...this.state, body: offset });
    const before = this.#lastBody;
    const epoch = this.#epoch;
    const taken = before.then(() => this.#takeBody(offset, body, epoch));
    this.#lastBody = taken.catch(() => undefined);
    await taken;
    return this.answer;
  }

  async #takeBody(offset: number, body: Readable, epoch: number): Promise<void> {
    // One that was cut while it waited for its turn has nothing left to say.
    if (body.destroyed) return;
    let at = offset;
    let isRefused = false;
    const isUnwanted = (): boolean => epoch !== this.#epoch || (this.#isClosed && !this.#isEnded);
    await new Promise<void>((resolve, reject) => {
      const proceed = (): void => {
        body.resume();
        if (isUnwanted()) resolve();
      };
      this.#waiting.add(proceed);
      body.on('data', (chunk: Buffer) => {
        // What follows in a body that was refused belongs nowhere, also when its beginning has come by then.
        if (isRefused || epoch !== this.#epoch) return;
        try {
          this.take(at, chunk);
        } catch (error) {
          isRefused = true;
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        at += chunk.length;
        if (this.#held >= STDIN_WINDOW) body.pause();
      });
      body.on('end', resolve);
      // A body that is cut counts as far as it came.
      body.on('close', resolve);
      body.on('error', () => {
        resolve();
      });
      if (isUnwanted()) resolve();
      body.once('close', () => this.#waiting.delete(proceed));
    });
  }

  /** EOF after `offset` bytes. The second time is the first time's repetition. */
  end(offset: number): StdinAnswer {
    if (this.#isEnded || this.#isClosed) return this.answer;
    this.#requireOffset(offset);
    this.#isEnded = true;
    this.#queue.end();
    return this.answer;
  }

  /**
   * Takes bytes that begin at `offset`; what was taken before is left out.
   * @throws SbxError `stdin_offset` for a gap, `stdin_ended` after the end
   */
  take(offset: number, chunk: Buffer): void {
    // Closed by its reader, that is: after an end of our own there is nothing that may follow.
    if (this.#isClosed && !this.#isEnded) return;
    const repeated = this.#accepted - offset;
    if (repeated < 0) this.#requireOffset(offset);
    if (repeated >= chunk.length) return;
    if (this.#isEnded) throw new SbxError('stdin_ended', 'Cannot write to stdin: it was ended');
    const fresh = repeated > 0 ? chunk.subarray(repeated) : chunk;
    this.#accepted += fresh.length;
    this.#held += fresh.length;
    this.#queue.push(fresh);
  }

  #onFlushed(length: number): void {
    const wasFull = this.#held >= STDIN_WINDOW;
    this.#held -= length;
    if (wasFull && this.#held < STDIN_WINDOW) this.#release();
    if (this.limit - this.#told >= TELL_EVERY) this.#tell();
  }

  #tell(): void {
    this.#told = this.limit;
    this.#onChange(this.state);
  }

  #release(): void {
    for (const proceed of this.#waiting) proceed();
  }

  #requireOffset(offset: number): void {
    if (offset === this.#accepted) return;
    throw new SbxError('stdin_offset', `stdin stands at offset ${this.#accepted}, not at ${offset}`, {
      offset: this.#accepted,
    });
  }
}
