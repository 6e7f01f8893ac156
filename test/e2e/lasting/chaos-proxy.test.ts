import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChaosProxy, type ChaosProxyOptions } from '../../support/chaos-proxy.ts';
import { makeDirectory } from '../../support/caller.ts';

// The proxy of these tests is a tool of theirs: what it says that it did must be what it did.

const BYTES = randomBytes(8 * 1024 * 1024);

let directory: string;
let server: Server;
/** What the server has read, by connection. */
let received: Buffer[][];
let proxy: ChaosProxy;

beforeEach(async () => {
  directory = await makeDirectory('echo-');
  received = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    received.push(chunks);
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => socket.end());
  });
  server.listen(join(directory, 'server.sock'));
  await once(server, 'listening');
});

afterEach(async () => {
  const { socketPath } = proxy;
  await proxy.close();
  expect(existsSync(dirname(socketPath))).toBe(false);
  server.close();
  await once(server, 'close');
  await rm(directory, { recursive: true });
});

async function open(options: Partial<ChaosProxyOptions> = {}): Promise<void> {
  proxy = await ChaosProxy.open({ upstream: () => join(directory, 'server.sock'), ...options });
}

/** The server sends back what it reads. */
function echo(): void {
  server.on('connection', (socket: Socket) => socket.pipe(socket));
}

/** Sends these bytes; gives what has come back by the end of the connection. */
async function exchange(bytes: Buffer, where: NetConnectOpts): Promise<Buffer> {
  const socket = connect(where);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.end(bytes);
  await new Promise((resolve) => socket.on('close', resolve));
  return Buffer.concat(chunks);
}

/** Sends until the connection is cut, so many times, one after another; gives what the server got each time. */
async function sendAgainAndAgain(times: number): Promise<Buffer[]> {
  for (let time = 0; time < times; time += 1) {
    const closed = once(server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
    await Promise.all([exchange(BYTES, { path: proxy.socketPath }), closed]);
  }
  return received.map((chunks) => Buffer.concat(chunks));
}

describe('a proxy without a seed', () => {
  it('passes everything on, over both of its addresses', async () => {
    await open();
    echo();
    expect((await exchange(BYTES, { path: proxy.socketPath })).equals(BYTES)).toBe(true);
    const { hostname, port } = new URL(proxy.tcpHost);
    expect((await exchange(BYTES, { host: hostname, port: Number(port) })).equals(BYTES)).toBe(true);
    expect(proxy.cuts).toBe(0);
  });

  it.each([
    ['before', 'sent first'],
    ['within', 'sent first here is a ma'],
    ['after', 'sent first here is a marker, and more'],
  ] as const)('cuts %s the bytes that a test has named', async (place, passed) => {
    await open();
    const cut = proxy.cutAt({ direction: 'up', text: 'a marker', place });
    const socket = connect(proxy.socketPath);
    socket.on('error', () => undefined);
    const [upstream] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')]))[0];
    socket.write('sent first');
    await once(upstream as Socket, 'data');
    socket.write(' here is a marker, and more');
    await cut;
    await new Promise((resolve) => socket.resume().on('close', resolve));
    await waitForClose(upstream as Socket);
    expect(Buffer.concat(received[0]!).toString()).toBe(passed);
    expect(proxy.cuts).toBe(1);
  });

  it('finds the bytes that a test has named where two reads share them', async () => {
    await open();
    const cut = proxy.cutAt({ direction: 'up', text: 'a marker', place: 'after' });
    const socket = connect(proxy.socketPath);
    socket.on('error', () => undefined);
    const [upstream] = (await once(server, 'connection')) as [Socket];
    socket.write('a mar');
    await once(upstream, 'data');
    socket.write('ker');
    await cut;
    await waitForClose(upstream);
    expect(Buffer.concat(received[0]!).toString()).toBe('a marker');
  });

  it('cuts at once when it is told to, and refuses connections while it is paused', async () => {
    await open();
    echo();
    const socket = connect(proxy.socketPath);
    socket.write('x');
    await once(socket, 'data');
    expect(proxy.cutNow()).toBe(1);
    await waitForClose(socket);
    await proxy.pause();
    await expect(once(connect(proxy.socketPath), 'connect')).rejects.toThrow('ENOENT');
    const { hostname, port } = new URL(proxy.tcpHost);
    await expect(once(connect(Number(port), hostname), 'connect')).rejects.toThrow('ECONNREFUSED');
    await proxy.resume();
    expect((await exchange(BYTES, { path: proxy.socketPath })).equals(BYTES)).toBe(true);
    expect((await exchange(BYTES, { host: hostname, port: Number(port) })).equals(BYTES)).toBe(true);
  });

  it('holds what is sent while it is frozen', async () => {
    await open();
    echo();
    proxy.freeze();
    const answer = exchange(BYTES, { path: proxy.socketPath });
    await once(server, 'connection');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(received).toEqual([[]]);
    proxy.thaw();
    expect((await answer).equals(BYTES)).toBe(true);
  });

  it('answers upgrades to a channel as a server that knows none, and passes the rest on', async () => {
    await open({ refusesUpgrades: true });
    echo();
    const upgrade = Buffer.from('GET /api/v1/channel HTTP/1.1\r\n\r\n');
    expect((await exchange(upgrade, { path: proxy.socketPath })).toString()).toMatch(
      /^HTTP\/1\.1 404 .*route_not_found/s,
    );
    expect((await exchange(BYTES, { path: proxy.socketPath })).equals(BYTES)).toBe(true);
  });
});

describe('a proxy with a seed', () => {
  it('passes bytes unchanged up to a cut, which comes after 4 KiB at the earliest', async () => {
    await open({ seed: 1, maxCuts: Infinity });
    for (const got of await sendAgainAndAgain(20)) {
      expect(got.length).toBeGreaterThanOrEqual(4096);
      expect(got.equals(BYTES.subarray(0, got.length))).toBe(true);
    }
    expect(proxy.cuts).toBe(20);
  });

  it('cuts at the same bytes for the same seed, and at others for another', async () => {
    const lengths: string[] = [];
    for (const seed of [7, 7, 8]) {
      if (lengths.length > 0) await proxy.close();
      received = [];
      await open({ seed, maxCuts: Infinity });
      lengths.push((await sendAgainAndAgain(10)).map(({ length }) => length).join(' '));
    }
    expect(lengths[1]).toBe(lengths[0]);
    expect(lengths[2]).not.toBe(lengths[0]);
  });

  it('cuts traffic in small pieces after a number of reads', async () => {
    await open({ seed: 3, reads: [3, 30], maxCuts: 5 });
    echo();
    while (proxy.cuts < 5) {
      const socket = connect(proxy.socketPath);
      socket.on('error', () => undefined).on('data', () => socket.write('x'));
      socket.write('x');
      await new Promise((resolve) => socket.on('close', resolve));
    }
    expect(proxy.connections).toBe(5);
  });

  it.each([
    ['so many cuts', { maxCuts: 3 }],
    ['it is told to stop', {}],
  ])('makes no more faults after %s', async (_when, options) => {
    await open({ seed: 5, ...options });
    echo();
    for (let cuts = 0; cuts < 3; cuts += 1) await exchange(BYTES, { path: proxy.socketPath });
    expect(proxy.cuts).toBe(3);
    proxy.stopCutting();
    expect((await exchange(BYTES, { path: proxy.socketPath })).equals(BYTES)).toBe(true);
    expect(proxy.toString()).toMatch(/^seed 5: 3 cuts in 4 connections\nconnection 1: .* bytes (up|down)\n/);
  });
});

async function waitForClose(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.resume().on('close', resolve));
}
