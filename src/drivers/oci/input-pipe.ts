import { Socket } from 'node:net';
import { growPipe } from '../../posix/pipes.ts';
import { POLLERR, type PollWatcher } from '../../posix/poll-watcher.ts';
import type { InputPipe } from '../driver.ts';

/** More than this in the queue is bulk data; its pipe then holds as much as the second number says, in bytes. */
const BULK = 64 * 1024;
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
  const growOnce = (): void => {
    if (isGrown || socket.writableLength < BULK) return;
    isGrown = true;
    growPipe(fd, GROWN);
  };

  return {
    closed,
    write(chunk, flushed) {
      if (socket.destroyed || socket.writableEnded) return void setImmediate(flushed);
      growOnce();
      socket.write(chunk, () => flushed());
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
