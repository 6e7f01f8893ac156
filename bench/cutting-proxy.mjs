/**
 * `node cutting-proxy.mjs SOCKET UPSTREAM`: passes on what comes on one Unix socket to another, and back. It says
 * `ready` when it listens; for each line on its stdin it cuts all connections, and says `cut` when they are. It ends
 * with its stdin.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const [path, upstreamPath] = process.argv.slice(2);
const sockets = new Set();

const server = createServer({ allowHalfOpen: true }, (client) => {
  const upstream = connect({ path: upstreamPath, allowHalfOpen: true });
  for (const [socket, other] of [
    [client, upstream],
    [upstream, client],
  ]) {
    sockets.add(socket);
    socket.on('error', () => other.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.pipe(other);
  }
});
server.listen(path);
await once(server, 'listening');
console.log('ready');

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== 'cut') throw new Error(`Not an order: ${line}`);
  const closed = [...sockets].map((socket) => once(socket, 'close'));
  for (const socket of sockets) socket.destroy();
  await Promise.all(closed);
  console.log('cut');
}
server.close();
for (const socket of sockets) socket.destroy();
