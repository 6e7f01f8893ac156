import { Socket } from 'node:net';
import { countPendingBytes } from '../../posix/pipes.ts';
import type { OutputPipe, OutputSink } from '../driver.ts';

/** One buffer for all pipes: a read fills it and the sink empties it within one turn of the loop. */
const buffer = new Uint8Array(64 * 1024);

/** Opens our end of the child's stdout or stderr; takes over the descriptor. */
export function openOutputPipe(fd: number): OutputPipe {
  let sink: OutputSink | undefined;
  let isOpen = true;
  const socket = new Socket({
    fd,
    readable: true,
    writable: false,
    // Reading starts in `open`, not here.
    manualStart: true,
    onread: {
      buffer,
      callback: (length: number) => sink === undefined || sink.data(buffer.subarray(0, length)),
    },
  } as ConstructorParameters<typeof Socket>[0]);

  const finish = (): void => {
    if (!isOpen) return;
    isOpen = false;
    sink?.end();
  };
  socket.on('end', finish);
  // A pipe that cannot be read any more has ended; there is no other answer to a read error here.
  socket.on('error', finish);

  return {
    open(target) {
      sink = target;
      socket.resume();
      socket.read(0);
    },
    resume() {
      socket.resume();
    },
    unref() {
      socket.unref();
    },
    pendingBytes: () => (isOpen ? countPendingBytes(fd) : 0),
    close() {
      isOpen = false;
      sink = undefined;
      socket.destroy();
    },
  };
}
