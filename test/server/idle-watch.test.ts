import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { IdleWatch } from '../../src/server/idle-watch.ts';
import { hideSocket, removeSocket, showSocket } from '../../src/server/socket-path.ts';

const IDLE_MS = 400;

let directory: string;
let socketPath: string;
let server: Server;
/** The server's ends. */
let accepted: Socket[];
let watching: IdleWatch;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sbx-test-idle-'));
  socketPath = join(directory, 'server.sock');
  accepted = [];
  server = createServer((socket) => {
    accepted.push(socket.resume());
  }).listen(socketPath);
  await once(server, 'listening');
});
afterEach(() => {
  watching.stop();
  for (const socket of accepted) socket.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

const hide = {
  onLeaving: () => {
    hideSocket(socketPath);
  },
  onStaying: () => {
    showSocket(socketPath);
  },
};

/** Nothing of this process runs meanwhile, as where it was stopped. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

it('a server that nobody uses is idle when its time has passed', async () => {
  const begun = performance.now();
  await new Promise<void>((resolve) => {
    watching = new IdleWatch(IDLE_MS, { ...hide, isBusy: () => false, onIdle: resolve });
  });
  expect(performance.now() - begun).toBeGreaterThanOrEqual(IDLE_MS);
  // Nobody comes any more, for whom it would be too late.
  const [error] = (await once(connect(socketPath), 'error')) as [Error];
  expect(error).toMatchObject({ code: 'ENOENT' });
  removeSocket(socketPath);
  expect(readdirSync(directory)).toEqual([]);
});

it('a server that slept is not idle before it has seen who came meanwhile', async () => {
  let isIdle = false;
  watching = new IdleWatch(IDLE_MS, {
    ...hide,
    isBusy: () => accepted.length > 0,
    onIdle: () => {
      isIdle = true;
    },
  });
  // Timers come next, before connections.
  await new Promise((resolve) => setImmediate(resolve));
  connect(socketPath);
  stall(2 * IDLE_MS);
  await once(server, 'connection');
  expect(isIdle).toBe(false);
});

it('a server is not idle to which somebody comes at its last look', async () => {
  const begun = performance.now();
  let isIdle = false;
  let hasCome = false;
  watching = new IdleWatch(IDLE_MS, {
    ...hide,
    isBusy: () => {
      const isBusy = accepted.length > 0;
      if (!hasCome && performance.now() - begun >= IDLE_MS) {
        connect(socketPath);
        hasCome = true;
      }
      return isBusy;
    },
    onIdle: () => {
      isIdle = true;
    },
  });
  await once(server, 'connection');
  await new Promise((resolve) => setImmediate(resolve));
  expect(isIdle).toBe(false);
  await once(connect(socketPath), 'connect');
});
