import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttachRequest, SandboxRecord } from '../../src/protocol/api.ts';
import type { ExecEvent, StartedEvent, TerminalEvent } from '../../src/protocol/events.ts';
import { createEventParser } from '../../src/protocol/frames.ts';
import { frames } from '../../src/server/event-format.ts';
import { EventStream, type OpenStream } from '../../src/server/event-stream.ts';
import { ExecClients } from '../../src/server/exec-clients.ts';
import { openStoredLog } from '../../src/server/log/stored-log.ts';
import { Turns } from '../../src/server/turns.ts';

const ID = '00000000-0000-4000-8000-000000000001';
const OWNER = '00000000-0000-4000-8000-00000000000a';
const WATCHER = '00000000-0000-4000-8000-00000000000b';
const BYTES = Buffer.alloc(500_000, 'x');
const WRITTEN = { stdout: BYTES.length, stderr: 0 };

const SANDBOX: SandboxRecord = {
  schema: 1,
  id: 'box-1',
  name: 'box',
  owner: 'uid:0',
  driver: 'oci',
  runtime: 'crun',
  network: 'none',
  labels: {},
  created: '2000-01-01T00:00:00.000Z',
  expires: null,
  fresh: false,
};
const STARTED: StartedEvent = { type: 'started', exec: ID, sandbox: 'box', time: 0 };
const EXITED: TerminalEvent = {
  type: 'exit',
  exit: { code: 0 },
  reason: 'exited',
  bytes: WRITTEN,
  closed: [],
  drain_truncated: false,
  duration_ms: 1,
};

let directory: string;
let terminal: TerminalEvent | undefined;
let clients: ExecClients;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbx-test-clients-'));
  terminal = undefined;
  clients = new ExecClients({
    request: { id: ID, argv: ['true'], client: OWNER },
    sandbox: SANDBOX,
    terminal: () => terminal,
    started: () => STARTED,
    onRoom: () => undefined,
    onOwnerGone: () => undefined,
    onGivenUp: () => undefined,
    log: (line) => {
      throw new Error(line);
    },
  });
});
afterEach(async () => {
  clients.readers.destroy();
  await clients.journal.settle();
  rmSync(directory, { recursive: true });
});

/** A connection that shows events as the server sends them. */
function openConnection() {
  const sink = new PassThrough();
  const events: ExecEvent[] = [];
  const parser = createEventParser((event) => {
    events.push(event);
  });
  sink.on('data', (chunk: Buffer) => {
    parser.push(chunk);
  });
  const open: OpenStream = (source, from) =>
    new EventStream(sink, source, {
      connection: undefined,
      turns: new Turns(),
      format: frames,
      from,
      isGone: false,
    });
  return { sink, open, events };
}

/** All events of a client that attaches to an exec that has ended. */
async function attachToEnded(request: Partial<AttachRequest>): Promise<ExecEvent[]> {
  const { sink, open, events } = openConnection();
  await clients.attach({ id: ID, client: WATCHER, watch: true, ...request }, open);
  await new Promise((resolve) => sink.once('end', resolve));
  return events;
}

/** The command has ended, and the disk has nothing of its output yet. */
function endBeforeStored(): void {
  clients.journal.keepIn(openStoredLog(join(directory, 'log'), { capBytes: 4 * BYTES.length }));
  clients.append('stdout', BYTES);
  terminal = EXITED;
  expect(clients.journal.visible.stdout).toBe(0);
}

const countBytes = (events: readonly ExecEvent[]): number =>
  events.reduce((sum, event) => sum + (event.type === 'stdout' ? event.bytes.length : 0), 0);

describe('an exec that has ended while its log is still being stored', () => {
  it('ends where its output ends, for a reader of all of it', async () => {
    endBeforeStored();
    const events = await attachToEnded({ from: 'start' });
    expect(events[0]).toMatchObject({ type: 'attached', from: { stdout: 0 }, written: WRITTEN });
    expect(countBytes(events)).toBe(BYTES.length);
    expect(events.at(-1)).toMatchObject({ type: 'exit' });
  });

  it('has nothing more for a reader from now on', async () => {
    endBeforeStored();
    const events = await attachToEnded({ from: 'now' });
    expect(events[0]).toMatchObject({ type: 'attached', from: WRITTEN, written: WRITTEN });
    expect(countBytes(events)).toBe(0);
  });

  it('can be read from a position, and acknowledged, up to there', async () => {
    endBeforeStored();
    const { open } = openConnection();
    await clients.attach({ id: ID, client: WATCHER, watch: true, from: BYTES.length - 1 }, open);
    clients.acknowledge(WATCHER, WRITTEN);
    expect(() => {
      clients.acknowledge(WATCHER, { stdout: BYTES.length + 1 });
    }).toThrow(`it has ${BYTES.length} bytes`);
  });
});

describe('the news that the command runs', () => {
  const typesOf = (events: readonly ExecEvent[]): string[] => events.map(({ type }) => type);

  it('is none for a watcher of one that has ended', async () => {
    clients.append('stdout', Buffer.from('hi'));
    terminal = EXITED;
    const events = await attachToEnded({ from: 'now' });
    expect(typesOf(events)).toEqual(['attached', 'stdin', 'exit']);
  });

  it('is told to a watcher of one that runs, and to an owner that comes back after the end', async () => {
    const first = openConnection();
    clients.show(first.open);
    const watching = openConnection();
    await clients.attach({ id: ID, client: WATCHER, watch: true }, watching.open);
    await new Promise((resolve) => setImmediate(resolve));
    expect(typesOf(watching.events)).toEqual(['attached', 'started', 'stdin']);
    terminal = EXITED;
    const events = await attachToEnded({ client: OWNER, watch: false, from: { stdout: 0, stderr: 0 } });
    expect(events[0]).toMatchObject({ type: 'attached', owner: true });
    expect(typesOf(events)).toEqual(['attached', 'started', 'stdin', 'exit']);
  });
});

describe('an owner whose connection takes no more when its exec has ended', () => {
  /** Of more than the connection takes. */
  async function showEnded() {
    const connection = openConnection();
    connection.sink.pause();
    clients.show(connection.open);
    clients.append('stdout', BYTES);
    terminal = EXITED;
    clients.readers.wake();
    await new Promise((resolve) => setImmediate(resolve));
    expect(clients.readers.isOwnerReading).toBe(true);
    return connection;
  }

  it('is one that reads, until it has the rest', async () => {
    const { sink, events } = await showEnded();
    sink.resume();
    await new Promise((resolve) => sink.once('close', resolve));
    expect(countBytes(events)).toBe(BYTES.length);
    expect(clients.readers.isOwnerReading).toBe(false);
  });

  it('is no more one that reads when it is cut off, also where it may come back', async () => {
    const { sink } = await showEnded();
    sink.destroy();
    await new Promise((resolve) => sink.once('close', resolve));
    expect(clients.readers.owner).toMatchObject({ client: OWNER });
    expect(clients.readers.isOwnerReading).toBe(false);
  });
});
