import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { routes } from '../../src/protocol/api.ts';
import { callApi, readDaemon } from './api.ts';
import { waitUntil } from './guests.ts';
import type { Home } from './home.ts';

/** A server with one connection, after whose release it goes when it is idle. */
export interface HeldServer {
  readonly server: ReturnType<Home['start']>;
  readonly release: () => void;
}

/** Starts a server that would go soon, and again where it has gone before it was held. */
export async function serveHeld(home: Home): Promise<HeldServer> {
  for (;;) {
    const server = home.start(['serve', '--idle-exit', '300ms'], { stdin: 'ignore' });
    server.stdout.resume();
    server.stderr.resume();
    await waitUntil(() => existsSync(join(home.stateDir, 'daemon.json')) || server.exitCode !== null);
    const connection = await connectToDaemon(home);
    // In an object: it is a promise of its own end.
    if (connection !== undefined) return { server, release: () => connection.destroy() };
    await server;
  }
}

/** A connection that the daemon has seen; undefined where there is none any more. */
async function connectToDaemon(home: Home): Promise<Socket | undefined> {
  let connection: Socket | undefined;
  try {
    connection = connect(readDaemon(home).socket);
    await once(connection, 'connect');
    connection.on('error', () => undefined);
    // It takes connections in their order.
    await callApi(home, 'GET', { path: routes.health });
    return connection;
  } catch {
    connection?.destroy();
    return undefined;
  }
}
