import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_WINDOW,
  routes,
  STDIN_WINDOW,
  type ExecRecord,
  type HealthAnswer,
} from '../../src/protocol/api.ts';
import type { ExecEvent } from '../../src/protocol/events.ts';
import {
  createEventParser,
  formatJsonFrame,
  formatOutputFrame,
  formatStdinHead,
  type ChannelRequest,
} from '../../src/protocol/frames.ts';
import { callApi, readDaemon } from '../support/api.ts';
import { startDetachedShell } from '../support/detached.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { useHome, useSandbox } from '../support/home.ts';

const home = useHome();
const sandbox = useSandbox(home);

const UPGRADE = `GET ${routes.channel} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: sbx-frames\r\n`;

function open(head = `${UPGRADE}\r\n`): Socket {
  const socket = connect(readDaemon(home).socket);
  socket.write(head);
  return socket;
}

/** All that the daemon says until it closes. */
async function readAll(socket: Socket): Promise<Buffer> {
  return Buffer.concat(await socket.toArray());
}

/** The events behind the head of the answer. */
function toEvents(answer: Buffer): ExecEvent[] {
  const end = answer.indexOf('\r\n\r\n');
  expect(answer.toString('latin1', 0, end)).toMatch(/^HTTP\/1\.1 101 /);
  const events: ExecEvent[] = [];
  createEventParser((event) => {
    events.push(
      'bytes' in event && Buffer.isBuffer(event.bytes)
        ? ({ ...event, bytes: Buffer.from(event.bytes) } as ExecEvent)
        : event,
    );
  }).push(answer.subarray(end + 4));
  return events;
}

const start = (argv: readonly string[], more: object = {}): ChannelRequest => ({
  type: 'start',
  id: randomUUID(),
  sandbox,
  argv,
  ...more,
});

const frame = (request: object): Buffer => formatJsonFrame(request as ChannelRequest);
const input = (offset: number, bytes: Buffer): Buffer =>
  Buffer.concat([formatStdinHead(offset, bytes.length), bytes]);

const json = (text: string): Buffer => {
  const head = Buffer.from([0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
};

const MIB = 1024 * 1024;

/** The most memory that the daemon has had so far, in bytes. */
function readMostMemory(): number {
  const status = readFileSync(`/proc/${readDaemon(home).pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

const output = formatOutputFrame({
  type: 'stdout',
  position: 1,
  offset: 0,
  time: 0,
  bytes: Buffer.from('x'),
});

describe('a channel that says what it may not', () => {
  it.each([
    ['a request before the start', frame({ type: 'signal', signal: 'TERM' }), 'The exec has not started'],
    ['stdin before the start', input(0, Buffer.from('x')), 'The exec has not started'],
    ['output', output, 'stdout comes from the server'],
    ['a request that there is none of', frame({ type: 'dance' }), 'There is no request dance'],
    ['a request without a type', frame({}), 'There is no request undefined'],
    [
      'a start without a command',
      frame({ type: 'start', id: randomUUID() }),
      "start must have required property 'argv'",
    ],
    [
      'a start with a field of nobody',
      frame({ type: 'start', id: randomUUID(), argv: ['true'], colour: 1 }),
      'additional properties',
    ],
    ['no JSON', json('{'), 'JSON'],
    ['JSON that is no object', json('null'), ''],
    ['a frame of no kind', Buffer.from([7, 0, 0, 0, 1, 0]), 'A frame is of the kind 7'],
    [
      'a frame larger than any request',
      Buffer.from([0, 0xff, 0xff, 0xff, 0xff]),
      'A frame has 4294967295 bytes',
    ],
  ])('gets an error and its end: %s', async (_what, bytes, words) => {
    const socket = open();
    socket.write(bytes);
    const events = toEvents(await readAll(socket));
    expect(events).toMatchObject([{ type: 'error', error: { code: 'invalid_argument' } }]);
    expect(JSON.stringify(events)).toContain(words.replaceAll('"', '\\"'));
  });

  it.each([
    ['a second start', () => frame(start(['true'])), 'A channel shows one exec'],
    ['stdin that begins too late', () => input(5, Buffer.from('x')), 'stdin stands at offset 0, not at 5'],
    [
      // More than the server holds and the largest pipe together: the command may have started by then.
      'more stdin than the server takes',
      () => input(0, Buffer.alloc(4 * STDIN_WINDOW)),
      'stdin may be sent up to offset',
    ],
    [
      'stdin after its end',
      () => Buffer.concat([frame({ type: 'stdin_end', offset: 0 }), input(0, Buffer.from('x'))]),
      'Cannot write to stdin: it was ended',
    ],
    [
      'an acknowledgement of more than there is',
      () => frame({ type: 'ack', stdout: 1000 }),
      'Cannot acknowledge stdout up to 1000: it has 0 bytes',
    ],
    [
      'an acknowledgement of nothing known',
      () => frame({ type: 'ack', stdout: -1 }),
      'ack/stdout must be >= 0',
    ],
  ])('gets an error, and its exec ends: %s', async (_what, make, words) => {
    const socket = open();
    socket.write(frame(start(['sh', '-c', 'sleep 300'], { stdin: 'pipe', kill_after_ms: 100 })));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    while (!Buffer.concat(chunks).includes('"hello"')) await once(socket, 'data');
    socket.write(make());
    // What was not read of it fails with EPIPE here.
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
    const events = toEvents(Buffer.concat(chunks));
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      error: { message: expect.stringContaining(words) },
    });
  });
});

describe('a channel that watches', () => {
  it('gets an error for an acknowledgement of more than there is, and the exec goes on', async () => {
    const id = await startDetachedShell(home, sandbox, ['printf hi; exec sleep 300']);
    const socket = open();
    socket.write(
      frame({
        type: 'attach',
        id,
        from: 'start',
        client: randomUUID(),
        watch: true,
        window: { stdout: DEFAULT_WINDOW, stderr: DEFAULT_WINDOW },
      }),
    );
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    while (!Buffer.concat(chunks).includes('"attached"')) await once(socket, 'data');
    socket.write(frame({ type: 'ack', stdout: 1000 }));
    await once(socket, 'close');
    expect(toEvents(Buffer.concat(chunks)).at(-1)).toMatchObject({
      type: 'error',
      error: { message: expect.stringMatching(/^Cannot acknowledge stdout up to 1000: it has [02] bytes$/) },
    });
    expect(String((await home.run(['ps', '-q'])).stdout).split('\n')).toContain(id);
    await home.run(['kill', id]);
    await home.run(['wait', id]);
  });
});

describe('an upgrade to something else', () => {
  it('is declined, and harms nobody when its client goes', async () => {
    const id = await startDetachedShell(home, sandbox, ['while :; do echo tick; sleep 0.02; done']);
    const head = `GET ${routes.events(id)}?watch=1 HTTP/1.1\r\nhost: x\r\n`;
    const socket = open(
      `${head}connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n`,
    );
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    while (!Buffer.concat(chunks).includes('event: stdout')) await once(socket, 'data');
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
    const written = async (): Promise<number> => {
      const { body } = await callApi(home, 'GET', { path: routes.exec(id) });
      return (body as ExecRecord).bytes.stdout;
    };
    const before = await written();
    await waitUntil(async () => (await written()) > before + 100);
    expect(String((await home.run(['ps', '-q'])).stdout).split('\n')).toContain(id);
    await home.run(['kill', id]);
    await home.run(['wait', id]);
  });
});

describe('the route of channels', () => {
  it('wants an upgrade', async () => {
    const { status, body } = await callApi(home, 'GET', { path: routes.channel });
    expect({ status, body }).toMatchObject({ status: 426, body: { error: { code: 'upgrade_required' } } });
  });

  it('wants the upgrade to frames', async () => {
    const answer = await readAll(
      open(`${UPGRADE.replace('sbx-frames', 'websocket').replace(': upgrade', ': upgrade, close')}\r\n`),
    );
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 426 .*sbx-frames/s);
  });

  it('wants the protocol of this server', async () => {
    const answer = await readAll(open(`${UPGRADE}sbx-protocol: 99\r\n\r\n`));
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 426 .*protocol_mismatch/s);
  });

  it('leaves other routes as they are for those who offer an upgrade, as curl does', async () => {
    const head = `GET ${routes.version} HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n`;
    const answer = await readAll(open(head));
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 .*"protocol":1/s);
  });

  it('takes frames byte by byte, and many in one write', async () => {
    const socket = open();
    for (const byte of frame(start(['cat'], { stdin: 'pipe' }))) socket.write(Buffer.from([byte]));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    while (!Buffer.concat(chunks).includes('"hello"')) await once(socket, 'data');
    const letters = Array.from({ length: 5000 }, (_, at) => input(at, Buffer.from('x')));
    socket.write(Buffer.concat([...letters, frame({ type: 'stdin_end', offset: 5000 })]));
    await once(socket, 'close');
    const events = toEvents(Buffer.concat(chunks));
    expect(events.at(-1)).toMatchObject({ type: 'exit', exit: { code: 0 }, bytes: { stdout: 5000 } });
  });

  it('takes a window of stdin byte by byte, and holds little more than that', async () => {
    const socket = open();
    const script = 'kill -STOP $$; cat >/dev/null';
    socket.write(frame(start(['sh', '-c', script], { stdin: 'pipe' })));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    while (!Buffer.concat(chunks).includes('"started"')) await once(socket, 'data');
    const before = readMostMemory();
    const letters = Array.from({ length: STDIN_WINDOW }, (_, at) => input(at, Buffer.from('x')));
    socket.write(Buffer.concat(letters));
    socket.write(frame({ type: 'signal', signal: 'CONT' }));
    socket.write(frame({ type: 'stdin_end', offset: STDIN_WINDOW }));
    await once(socket, 'close');
    expect(toEvents(Buffer.concat(chunks)).at(-1)).toMatchObject({ type: 'exit', exit: { code: 0 } });
    expect(readMostMemory() - before).toBeLessThan(150 * MIB);
  });

  it('ends the command of a client that leaves', async () => {
    const mark = makeMark();
    const socket = open();
    socket.write(frame(start(['sh', '-c', `echo ${mark}; sleep 300`], { kill_after_ms: 100 })));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    while (!Buffer.concat(chunks).includes(mark)) await once(socket, 'data');
    expect(findGuests(mark)).not.toEqual([]);
    socket.destroy();
    await waitForGuestsToEnd(mark);
  });

  it('forgets a client that leaves before it has said anything', async () => {
    for (const head of [UPGRADE.slice(0, 20), `${UPGRADE}\r\n`]) {
      const socket = open(head);
      await once(socket, 'connect');
      socket.destroy();
    }
    await waitUntil(async () => {
      const { body } = await callApi(home, 'GET', { path: routes.health });
      return (body as HealthAnswer).running === 0;
    });
  });
});
