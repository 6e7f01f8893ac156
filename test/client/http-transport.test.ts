import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { execa } from 'execa';
import { afterEach, describe, expect, it } from 'vitest';
import { readHealth } from '../../src/client/api.ts';
import { createLocalTransport, createTransport } from '../../src/client/http-transport.ts';
import type { Connection } from '../../src/client/transport.ts';

const servers: Server[] = [];
const connections: Connection[] = [];

afterEach(() => {
  for (const connection of connections.splice(0)) connection.close();
  for (const server of servers.splice(0)) server.close();
});

interface Listener {
  readonly port: number;
  readonly heads: string[];
  readonly sockets: Socket[];
}

/** Answers each request that comes in one piece, and keeps what it was asked. */
async function listen(answer: string): Promise<Listener> {
  const heads: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => {
      heads.push(bytes.toString());
      socket.write(answer);
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, heads, sockets };
}

async function open(address: string): Promise<Connection> {
  const connection = await createTransport(address).connect();
  connections.push(connection);
  return connection;
}

async function untilClosed(connection: Connection): Promise<void> {
  while (connection.isOpen) await new Promise((resolve) => setImmediate(resolve));
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';
const GET = { method: 'GET', path: '/api/v1/health' } as const;

describe('the road to an address', () => {
  it('says where it leads, and whether that is a Unix socket', () => {
    const toFacts = ({ address, isLocal }: { address: string; isLocal: boolean }) => ({ address, isLocal });
    expect(toFacts(createTransport('unix:///a.sock'))).toEqual({ address: 'unix:///a.sock', isLocal: true });
    expect(toFacts(createLocalTransport('/a.sock'))).toEqual({ address: 'unix:///a.sock', isLocal: true });
    expect(toFacts(createTransport('https://host/b'))).toEqual({ address: 'https://host/b', isLocal: false });
  });

  it('asks under its path, with its name and port', async () => {
    const { port, heads } = await listen(OK);
    const connection = await open(`http://localhost:${port}/team/sbx/`);
    expect(await connection.request(GET)).toEqual({ status: 200, body: Buffer.from('{}') });
    const [requestLine, ...headers] = heads.join('').split('\r\n');
    expect(requestLine).toBe('GET /team/sbx/api/v1/health HTTP/1.1');
    expect(headers).toContain(`host: localhost:${port}`);
  });

  it('has words of its own where nobody listens, and others for the daemon', async () => {
    await expect(createTransport('unix:///none.sock').connect()).rejects.toMatchObject({
      code: 'server_unreachable',
      message: 'Cannot reach the server at unix:///none.sock: connect ENOENT /none.sock',
      hint: expect.stringContaining('Check the address') as string,
    });
    await expect(createLocalTransport('/none.sock').connect()).rejects.toMatchObject({
      hint: expect.stringContaining('sbx daemon status') as string,
    });
  });

  it('is given up when its signal aborts, also before it has begun', async () => {
    const { port } = await listen(OK);
    const transport = createTransport(`http://127.0.0.1:${port}`);
    const closing = new AbortController();
    const attempt = transport.connect(closing.signal);
    closing.abort();
    await expect(attempt).rejects.toMatchObject({ code: 'server_unreachable' });
    await expect(transport.connect(closing.signal)).rejects.toMatchObject({ code: 'server_unreachable' });
  });
});

describe('a connection', () => {
  it('is open for one request after another', async () => {
    const { port, sockets } = await listen(OK);
    const connection = await open(`http://127.0.0.1:${port}`);
    for (let count = 0; count < 3; count += 1) {
      expect(connection.isOpen).toBe(true);
      await connection.request(GET);
    }
    expect(sockets.length).toBe(1);
  });

  it('is open no more when its peer has closed it while it was idle', async () => {
    const { port, sockets } = await listen(OK);
    const connection = await open(`http://127.0.0.1:${port}`);
    await connection.request(GET);
    sockets[0]!.end();
    await untilClosed(connection);
    await expect(connection.request(GET)).rejects.toMatchObject({ code: 'server_unreachable' });
  });

  it('is open no more behind an answer that says so', async () => {
    const { port } = await listen(OK.replace('\r\n', '\r\nConnection: close\r\n'));
    const connection = await open(`http://127.0.0.1:${port}`);
    await connection.request(GET);
    expect(connection.isOpen).toBe(false);
  });

  it('is open no more when it was closed here', async () => {
    const { port } = await listen(OK);
    const connection = await open(`http://127.0.0.1:${port}`);
    connection.close();
    expect(connection.isOpen).toBe(false);
  });

  it('keeps no process from its end while nothing is asked on it', async () => {
    const { port } = await listen(OK);
    const sdk = new URL('../../dist/index.js', import.meta.url).href;
    const program = `import { createTransport } from '${sdk}';
      await createTransport('http://127.0.0.1:${port}').connect(); console.log('connected');`;
    const { stdout, exitCode } = await execa('node', ['--input-type=module', '-e', program]);
    expect({ stdout, exitCode }).toEqual({ stdout: 'connected', exitCode: 0 });
  });

  it('fails with what came where that is no HTTP', async () => {
    const { port } = await listen('SSH-2.0-OpenSSH_9.2\r\n\r\n');
    const connection = await open(`http://127.0.0.1:${port}`);
    await expect(connection.request(GET)).rejects.toThrow(
      `Cannot reach the server at http://127.0.0.1:${port}: not an HTTP/1.1 answer: "SSH-2.0-OpenSSH_9.2"`,
    );
    expect(connection.isOpen).toBe(false);
  });

  it.each([502, 503, 504])('tells of a proxy that answers %i', async (status) => {
    const { port } = await listen(`HTTP/1.1 ${status} Oh\r\ncontent-length: 9\r\n\r\n<html>no!`);
    const connection = await open(`http://127.0.0.1:${port}`);
    await expect(readHealth(connection)).rejects.toMatchObject({
      code: 'server_unreachable',
      message: expect.stringContaining(`it answered ${status}: "<html>no!"`) as string,
    });
  });

  it.each([
    ['a page', 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>'],
    ['a redirection', 'HTTP/1.1 301 Moved\r\nlocation: /\r\ncontent-length: 0\r\n\r\n'],
  ])('tells of %s that no sbx server answers with', async (_, answer) => {
    const { port } = await listen(answer);
    const connection = await open(`http://127.0.0.1:${port}`);
    await expect(readHealth(connection)).rejects.toMatchObject({
      code: 'internal',
      hint: expect.stringContaining('no sbx server') as string,
    });
  });
});
