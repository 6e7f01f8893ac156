import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { SbxError } from '../../protocol/errors.ts';
import type { OutputStream } from '../../protocol/events.ts';
import { findDescriptorKind } from './descriptor-kind.ts';
import { POLLOUT, type LazyPoll } from './polled.ts';

/** Our stdout or stderr: bytes in order, each write flushed, no flag of a shared description changed. */
export interface OutputWriter {
  /**
   * The chunk is valid until the call returns. `written` is called when the bytes are with the reader, or when nobody
   * can have them any more.
   */
  write(chunk: Buffer, written: () => void): void;
  /** Resolves when everything is written and our own descriptor is let go of. */
  finish(): Promise<void>;
  /** Lets go at once, of what is not written as well. */
  abandon(): void;
}

export interface OutputWriterOptions {
  readonly stream: OutputStream;
  /** The caller closed the descriptor. */
  readonly isClosed: boolean;
  readonly poll: LazyPoll;
  /** The reader has gone; noticed at once, not at the next write. */
  readonly onReaderGone: () => void;
  /** The bytes cannot be written, for another reason. */
  readonly onFailure: (error: SbxError) => void;
}

export function openOutput(options: OutputWriterOptions): OutputWriter {
  const fd = options.stream === 'stdout' ? 1 : 2;
  if (options.isClosed) return new SyncWriter(options, undefined);
  const kind = findDescriptorKind(fd);
  if (kind === 'file') return new SyncWriter(options, fd);
  const own = kind === 'socket' ? undefined : openOwn(fd);
  if (own === 'no-reader') return createGoneWriter(options);
  if (own === undefined) return new SyncWriter(options, fd, { fits: kind === 'socket' ? 32 * 1024 : 4096 });
  return kind === 'pipe' ? new PipeWriter(options, own) : new SyncWriter(options, own, { isOwn: true });
}

/** A description of our own, non-blocking; undefined where there can be none. */
function openOwn(fd: number): number | 'no-reader' | undefined {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENXIO' ? 'no-reader' : undefined;
  }
}

function createGoneWriter({ onReaderGone }: OutputWriterOptions): OutputWriter {
  setImmediate(onReaderGone);
  return {
    write: (_chunk, written) => {
      written();
    },
    finish: () => Promise.resolve(),
    abandon: () => undefined,
  };
}

function toFailure(stream: OutputStream, cause: Error): SbxError {
  return new SbxError('output_failed', `Cannot write to ${stream}: ${cause.message}`, { cause });
}

/** A pipe, through a non-blocking description of our own. */
class PipeWriter implements OutputWriter {
  readonly #fd: number;
  /** Takes over where the pipe is full. */
  readonly #socket: Socket;
  #isOver = false;

  constructor({ stream, poll, onReaderGone, onFailure }: OutputWriterOptions, fd: number) {
    this.#fd = fd;
    this.#socket = new Socket({ fd, readable: false, writable: true });
    const leave = (): void => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#socket.destroy();
      onReaderGone();
    };
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') leave();
      else if (!this.#isOver) {
        this.#isOver = true;
        onFailure(toFailure(stream, error));
      }
    });
    void poll.waitForHangUp(fd).then(leave);
  }

  write(chunk: Buffer, written: () => void): void {
    if (this.#isOver) {
      written();
      return;
    }
    const done = this.#socket.writableLength === 0 ? this.#writeNow(chunk) : 0;
    if (done === chunk.length) written();
    else this.#socket.write(Buffer.from(chunk.subarray(done)), written);
  }

  /** What the pipe takes at once, past the machinery of streams; an error shows again where the socket writes. */
  #writeNow(chunk: Buffer): number {
    try {
      return writeSync(this.#fd, chunk);
    } catch {
      return 0;
    }
  }

  finish(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isOver) {
        resolve();
        return;
      }
      this.#socket.once('close', resolve);
      this.#socket.end(() => {
        // The watch must not outlive the descriptor, whose number may name another file at once.
        this.abandon();
      });
    });
  }

  abandon(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }
}

interface SyncWriterSettings {
  /**
   * The description is shared and may block: poll(2) is asked before each write, and no more is written than then
   * fits without waiting: a page into a pipe, three quarters of its buffer (208 KiB) into a Unix socket.
   */
  readonly fits?: number;
  /** The descriptor is ours to close. */
  readonly isOwn?: boolean;
}

/** A file, a terminal, a device or a socket: written by write(2) itself, waiting with poll(2) where it would block. */
class SyncWriter implements OutputWriter {
  readonly #options: OutputWriterOptions;
  readonly #fd: number | undefined;
  readonly #settings: SyncWriterSettings;
  readonly #queue: { chunk: Buffer; written: () => void }[] = [];
  #isWriting = false;
  #isOver = false;
  #onIdle: (() => void) | undefined;

  constructor(options: OutputWriterOptions, fd: number | undefined, settings: SyncWriterSettings = {}) {
    this.#options = options;
    this.#fd = fd;
    this.#settings = settings;
    if (fd === undefined || settings.fits === undefined) return;
    void options.poll.waitForHangUp(fd).then(() => {
      this.#leave();
    });
  }

  write(chunk: Buffer, written: () => void): void {
    this.#queue.push({ chunk: Buffer.from(chunk), written });
    if (!this.#isWriting) void this.#drain();
  }

  async finish(): Promise<void> {
    if (this.#isWriting) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    if (this.#settings.isOwn && this.#fd !== undefined) closeSync(this.#fd);
    this.#isOver = true;
  }

  /** A write may be under way: the descriptor stays until our own end. */
  abandon(): void {
    this.#isOver = true;
  }

  async #drain(): Promise<void> {
    this.#isWriting = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        if (!this.#isOver) await this.#writeAll(next.chunk);
      } catch (error) {
        this.#fail(error as NodeJS.ErrnoException);
      }
      next.written();
    }
    this.#isWriting = false;
    this.#onIdle?.();
  }

  async #writeAll(chunk: Buffer): Promise<void> {
    if (this.#fd === undefined) throw new Error('it is closed');
    const { fits } = this.#settings;
    let rest = chunk;
    while (rest.length > 0 && !this.#isOver) {
      if (fits !== undefined) await this.#options.poll.wait(this.#fd, POLLOUT);
      try {
        rest = rest.subarray(writeSync(this.#fd, rest, 0, Math.min(fits ?? rest.length, rest.length)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        await this.#options.poll.wait(this.#fd, POLLOUT);
      }
    }
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (error.code === 'EPIPE') this.#leave();
    else if (!this.#isOver) {
      this.#isOver = true;
      this.#options.onFailure(toFailure(this.#options.stream, error));
    }
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onReaderGone();
  }
}
