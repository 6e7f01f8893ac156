import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StartExecRequest } from '../../src/protocol/api.ts';
import type { TerminalEvent } from '../../src/protocol/events.ts';
import { serverSentEvents } from '../../src/server/event-format.ts';
import { EventStream, type OpenStream } from '../../src/server/event-stream.ts';
import { ExecClients } from '../../src/server/exec-clients.ts';
import { openStoredLog } from '../../src/server/log/stored-log.ts';
import { Turns } from '../../src/server/turns.ts';
import { waitUntil } from '../support/guests.ts';

const request: StartExecRequest = { id: randomUUID(), argv: ['true'] };
const END: TerminalEvent = {
  type: 'exit',
  exit: { code: 0 },
  reason: 'exited',
  bytes: { stdout: 0, stderr: 0 },
  closed: [],
  drain_truncated: false,
  duration_ms: 1,
};

let parent: string;
let end: TerminalEvent | undefined;
let isGone: boolean;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sbx-test-clients-'));
  end = undefined;
  isGone = false;
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

const create = (more: Partial<StartExecRequest> = {}): ExecClients =>
  new ExecClients({
    request: { ...request, ...more },
    sandbox: { id: randomUUID(), name: 'box' } as never,
    terminal: () => end,
    started: () => undefined,
    onRoom: () => undefined,
    onOwnerGone: () => {
      isGone = true;
    },
    onGivenUp: () => undefined,
    log: (line) => {
      throw new Error(line);
    },
  });

/** A connection that takes nothing until it is read. */
function connect(): { sink: PassThrough; open: OpenStream } {
  const sink = new PassThrough({ highWaterMark: 1 });
  const options = { connection: undefined, turns: new Turns(), format: serverSentEvents, isGone: false };
  return { sink, open: (source, from) => new EventStream(sink, source, { ...options, from }) };
}

describe('an exec that has ended', () => {
  it('is not let go of while somebody reads it who came when its log was written', async () => {
    const clients = create({ detached: true });
    clients.journal.keepIn(openStoredLog(join(parent, 'log'), { capBytes: 2 ** 24 }));
    for (let count = 0; count < 20; count += 1) clients.append('stdout', Buffer.alloc(65_536));
    end = END;
    clients.readers.checkAllRead();
    let isDone = false;
    const done = clients.whenDone().then(() => {
      isDone = true;
    });
    // All have read it, and the log is being written.
    for (let turns = 0; turns < 10; turns += 1) await Promise.resolve();
    const { sink, open } = connect();
    await clients.attach({ id: request.id, from: 'start' }, open);
    await clients.journal.settle();
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    sink.destroy();
    await done;
  });

  it('waits for an owner client without a connection as long as that is heard', async () => {
    const clients = create({ client: randomUUID(), reconnect_grace_ms: 500 });
    const { sink, open } = connect();
    const { client } = clients.show(open);
    end = END;
    sink.destroy();
    await once(sink, 'close');
    // Three times as long as it may be silent.
    for (const until = performance.now() + 1500; performance.now() < until;) {
      clients.acknowledge(client, { stdout: 0 });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(clients.readers.owner).toMatchObject({ client });
    await waitUntil(() => clients.readers.owner === undefined);
    await clients.whenDone();
  });
});

describe('an exec that was started without a stream', () => {
  const attach = async (clients: ExecClients, more: object = {}): Promise<boolean> => {
    const { sink, open } = connect();
    const { isOwner } = await clients.attach({ id: request.id, ...more }, open);
    sink.destroy();
    await once(sink, 'close');
    return isOwner;
  };

  it('belongs to whoever reads its output, also without a name, and goes on without', async () => {
    const clients = create();
    expect(await attach(clients, { watch: true })).toBe(false);
    expect(await attach(clients, { output: false })).toBe(false);
    expect(await attach(clients)).toBe(true);
    expect(await attach(clients)).toBe(true);
    expect(isGone).toBe(false);
    const { open } = connect();
    expect((await clients.attach({ id: request.id }, open)).isOwner).toBe(true);
    expect(await attach(clients)).toBe(false);
    clients.readers.destroy();
  });

  it('belongs to no reader without a name where it is detached, or its client has a name', async () => {
    expect(await attach(create({ detached: true }))).toBe(false);
    const client = randomUUID();
    const clients = create({ client });
    expect(await attach(clients)).toBe(false);
    expect(await attach(clients, { client })).toBe(true);
  });
});
