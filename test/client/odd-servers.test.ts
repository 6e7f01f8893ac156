import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ExecSession } from '../../src/client/exec-session.ts';
import { createTransport } from '../../src/client/http-transport.ts';
import { routes } from '../../src/protocol/api.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Answers {
  /** To the request for a channel. */
  readonly channel: string;
  /** To everything else. */
  readonly other: string;
}

/** Gives each connection its answer, the head by itself, and closes it; gives the address. */
async function listen({ channel, other }: Answers): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      const isOfChannel = bytes.toString('latin1').startsWith(`GET ${routes.channel} `);
      const answer = isOfChannel ? channel : other;
      const head = answer.indexOf('\r\n\r\n') + 4;
      socket.write(answer.slice(0, head), 'latin1');
      setTimeout(() => socket.end(answer.slice(head), 'latin1'), 50);
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function follow(address: string, graceMs = 3_600_000): Promise<unknown> {
  const session = new ExecSession({
    transport: createTransport(address),
    opening: { start: { id: randomUUID(), argv: ['true'] } },
    client: randomUUID(),
    stdout: () => undefined,
    stderr: () => undefined,
    graceMs,
  });
  return session.run();
}

function toHttp(status: string, type: string, body: string): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

function toJsonFrame(text: string): string {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  return `${head.toString('latin1')}${text}`;
}

const UPGRADED = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: sbx-frames\r\n\r\n';
const PAGE = toHttp('200 OK', 'text/html', '<html>');

describe('a server that sends what cannot be read', () => {
  const HELLO = '"instance":"a","protocol":1,"version":"0"';

  it.each([
    { what: 'a greeting without its fields', frames: ['{"type":"hello"}'] },
    { what: 'a start without its fields', frames: [`{"type":"hello",${HELLO}}`, '{"type":"started"}'] },
    { what: 'no JSON', frames: [`{"type":"hello",${HELLO}}`, 'nonsense'] },
  ])('is not asked again, on a channel: $what', async ({ frames }) => {
    const address = await listen({ channel: UPGRADED + frames.map(toJsonFrame).join(''), other: PAGE });
    await expect(follow(address)).rejects.toMatchObject({
      code: 'session_lost',
      message: expect.stringContaining('The server sent what cannot be read') as string,
    });
  });

  it.each([
    { what: 'a greeting without its fields', events: ['event: hello\ndata: {}\n\n'] },
    {
      what: 'no JSON',
      events: [`event: hello\ndata: {${HELLO}}\n\n`, 'event: started\ndata: nonsense\n\n'],
    },
  ])('is not asked again, in plain HTTP: $what', async ({ events }) => {
    const address = await listen({
      channel: PAGE,
      other: toHttp('200 OK', 'text/event-stream', events.join('')),
    });
    await expect(follow(address)).rejects.toMatchObject({
      code: 'session_lost',
      message: expect.stringContaining('that cannot be read') as string,
    });
  });
});

describe('what is no sbx server', () => {
  it.each([
    { what: 'a page', other: PAGE },
    { what: 'an answer without a type', other: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}' },
  ])('is told from one by its answer, and not asked again: $what', async ({ other }) => {
    const address = await listen({ channel: PAGE, other });
    await expect(follow(address)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('The server answered 200') as string,
      hint: expect.stringContaining('no sbx server') as string,
    });
  });

  it('is not asked for longer than the grace where it gives no event', async () => {
    const address = await listen({ channel: PAGE, other: toHttp('200 OK', 'text/event-stream', ': hi\n\n') });
    await expect(follow(address, 500)).rejects.toMatchObject({ code: 'server_unreachable' });
  });
});
