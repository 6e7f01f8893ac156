import { closeSync, constants, openSync, read, readSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import type { StdinSource } from '../../client/stdin-source.ts';
import { SbxError } from '../../protocol/errors.ts';
import { findDescriptorKind } from './descriptor-kind.ts';
import { POLLIN, type LazyPoll } from './polled.ts';

const CHUNK = 64 * 1024;
const readAsync = promisify(read);

/**
 * Opens our stdin for forwarding; undefined where there is nothing to forward: a terminal without `isStreaming`.
 * The description that we share with others keeps its flags.
 */
export function openStdin(poll: LazyPoll, options: { isStreaming: boolean }): StdinSource | undefined {
  switch (findDescriptorKind(0)) {
    case 'pipe':
      return openPipe(poll);
    case 'socket':
      return createPolledSource(poll);
    case 'terminal':
      return options.isStreaming ? createStreamSource(new ReadStream(0)) : undefined;
    case 'file':
      return createFileSource();
  }
}

/** Descriptor 0 names `/dev/null` from here on. */
function releaseStdin(): void {
  closeSync(0);
  openSync('/dev/null', 'r');
}

/** Through a description of our own, so that O_NONBLOCK is not set on the one that is shared. */
function openPipe(poll: LazyPoll): StdinSource {
  let fd: number;
  try {
    fd = openSync('/proc/self/fd/0', constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    // Another user's pipe, or no /proc: the shared description is read, but only when it is ready.
    return createPolledSource(poll);
  }
  releaseStdin();
  return createPipeSource(fd);
}

/** Reads a terminal only as far as it is asked to. */
function createStreamSource(stream: ReadStream): StdinSource {
  const chunks: Buffer[] = [];
  let hasEnded = false;
  let wake: (() => void) | undefined;
  const end = (): void => {
    hasEnded = true;
    wake?.();
  };
  stream.pause();
  stream.on('data', (chunk: Buffer) => {
    stream.pause();
    chunks.push(chunk);
    wake?.();
  });
  stream.on('end', end);
  // A terminal that hung up ends like a pipe whose writer has gone.
  stream.on('error', end);
  stream.on('close', end);
  return {
    read: async () => {
      if (chunks.length === 0 && !hasEnded) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        stream.resume();
        await woken;
      }
      return chunks.shift() ?? null;
    },
    destroy: () => {
      chunks.length = 0;
      stream.destroy();
      end();
    },
  };
}

/**
 * Reads a pipe of our own into one buffer, past the machinery of streams, which a turn would feel. It reads ahead by one
 * chunk while nobody asks.
 */
function createPipeSource(fd: number): StdinSource {
  let waiting: ((chunk: Buffer | null) => void) | undefined;
  let ahead: Buffer | undefined;
  let hasEnded = false;
  const callback = (length: number, buffer: Uint8Array): boolean => {
    const chunk = Buffer.from(buffer.subarray(0, length));
    if (waiting === undefined) {
      ahead = chunk;
      return false;
    }
    const give = waiting;
    waiting = undefined;
    give(chunk);
    return true;
  };
  const onread = { buffer: Buffer.allocUnsafeSlow(CHUNK), callback };
  const socket = new Socket({ fd, readable: true, writable: false, onread } as SocketConstructorOpts);
  const end = (): void => {
    hasEnded = true;
    waiting?.(null);
  };
  socket.on('end', end);
  socket.on('error', end);
  socket.on('close', end);
  return {
    read: () => {
      if (ahead !== undefined) {
        const chunk = ahead;
        ahead = undefined;
        socket.resume();
        return Promise.resolve(chunk);
      }
      if (hasEnded) return Promise.resolve(null);
      return new Promise((resolve) => {
        waiting = resolve;
      });
    },
    destroy: () => {
      ahead = undefined;
      socket.destroy();
      end();
    },
  };
}

/** Reads a shared description without changing it: poll(2) first, then one read that does not wait. */
function createPolledSource(poll: LazyPoll): StdinSource {
  let isDestroyed = false;
  let wake: () => void = () => undefined;
  // A promise for each wait: one that all of them raced would remember each for as long as we read.
  const waitUntilReady = (): Promise<void> =>
    new Promise((resolve, reject) => {
      wake = resolve;
      if (isDestroyed) resolve();
      else
        poll.wait(0, POLLIN).then(() => {
          resolve();
        }, reject);
    });
  const readOnce = (): Buffer | null | undefined => {
    const buffer = Buffer.allocUnsafe(CHUNK);
    try {
      const length = readSync(0, buffer);
      return length === 0 ? null : buffer.subarray(0, length);
    } catch (cause) {
      const { code = '' } = cause as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EINTR') return undefined;
      // A peer that has reset the connection has not said that this was all.
      throw toInputError(cause);
    }
  };
  return {
    read: async () => {
      for (;;) {
        await waitUntilReady();
        if (isDestroyed) return null;
        const chunk = readOnce();
        if (chunk !== undefined) return chunk;
      }
    },
    destroy: () => {
      if (isDestroyed) return;
      isDestroyed = true;
      releaseStdin();
      wake();
    },
  };
}

/** A file never lets a read wait. Its offset is shared, and moves as it would for the command itself. */
function createFileSource(): StdinSource {
  let isDestroyed = false;
  return {
    read: async () => {
      if (isDestroyed) return null;
      try {
        const { bytesRead, buffer } = await readAsync(0, Buffer.allocUnsafe(CHUNK), 0, CHUNK, null);
        return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
      } catch (cause) {
        // Open for writing only, as nohup(1) leaves a terminal: there is no byte that could be missed.
        if ((cause as NodeJS.ErrnoException).code === 'EBADF') return null;
        throw toInputError(cause);
      }
    },
    destroy: () => {
      isDestroyed = true;
    },
  };
}

function toInputError(cause: unknown): SbxError {
  return new SbxError('input_failed', `Cannot read stdin: ${(cause as Error).message}`, { cause });
}
