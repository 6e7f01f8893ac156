import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { growPipe } from '../../posix/pipes.ts';
import { POLLERR, type PollWatcher } from '../../posix/poll-watcher.ts';
import type { InputPipe } from '../driver.ts';

/** A pipe that cannot take a chunk of this size meets bulk data; it then holds as much as the second number, in bytes. */
const BULK = 16 * 1024;
const GROWN = 1024 * 1024;

/** Opens our end of the child's stdin; takes over the descriptor. */
export function openInputPipe(fd: number, watcher: PollWatcher): InputPipe {
  const socket = new Socket({ fd, readable: false, writable: true });
  // EPIPE and its like: the socket closes, which is what `closed` tells.
  socket.on('error', () => undefined);

  // A pipe shows nothing to its writer when the last reader leaves, until a write fails; poll(2) does.
  const watch = watcher.watch(fd, POLLERR, () => socket.destroy());
  // The watch goes before its descriptor does: the number may name another file at once.
  socket.once('finish', () => watch.close());
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      watch.close();
      resolve();
    });
  });

  let isGrown = false;
  const growOnce = (): boolean => {
    if (isGrown) return false;
    isGrown = true;
    growPipe(fd, GROWN);
    return true;
  };

  return {
    closed,
    write(chunk, flushed) {
      if (socket.destroyed || socket.writableEnded) return void setImmediate(flushed);
      let done = 0;
      // Past the machinery of streams where nothing waits in it.
      if (socket.writableLength === 0) {
        done = writeNow(fd, chunk);
        if (chunk.length - done >= BULK && growOnce()) done += writeNow(fd, chunk.subarray(done));
      }
      if (done === chunk.length) flushed();
      else socket.write(chunk.subarray(done), () => flushed());
    },
    end() {
      socket.end();
    },
    destroy() {
      watch.close();
      socket.destroy();
    },
  };
}

/** What the pipe takes at once; an error shows again where the socket writes. */
function writeNow(fd: number, chunk: Uint8Array): number {
  try {
    return writeSync(fd, chunk);
  } catch {
    return 0;
  }
}
