import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect as connectSocket, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExecSession } from '../../src/client/exec-session.ts';
import { createLocalTransport } from '../../src/client/http-transport.ts';
import type { StdinSource } from '../../src/client/stdin-source.ts';
import type { Transport } from '../../src/client/transport.ts';
import { routes } from '../../src/protocol/api.ts';
import { SbxError } from '../../src/protocol/errors.ts';
import type { ExecEvent, ExitEvent } from '../../src/protocol/events.ts';
import { readDaemon } from '../support/api.ts';
import { waitUntil } from '../support/guests.ts';
import { useHome, useSandbox } from '../support/home.ts';

const home = useHome();
const sandbox = useSandbox(home);
let older: Server;

beforeAll(async () => {
  older = await listenAsOlderServer(join(home.stateDir, 'older.sock'), readDaemon(home).socket);
});

afterAll(async () => {
  older.close();
});

/** The daemon as it would answer if it knew no channels. */
async function listenAsOlderServer(path: string, target: string): Promise<Server> {
  const body = JSON.stringify({
    error: { code: 'route_not_found', message: 'There is no such route', hint: '-' },
  });
  const refusal = `HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const server = createServer((client) => {
    client.on('error', () => undefined);
    client.once('data', (first) => {
      if (first.toString('latin1').startsWith(`GET ${routes.channel} `)) return void client.end(refusal);
      const upstream = connectSocket(target);
      upstream.on('error', () => client.destroy());
      upstream.write(first);
      client.pipe(upstream).pipe(client);
      client.on('close', () => upstream.destroy());
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return server;
}

/** Stdin that a test feeds. */
class TestStdin implements StdinSource {
  readonly #chunks: (Buffer | null)[] = [];
  #wake: () => void = () => undefined;
  isDestroyed = false;

  push(...chunks: (Buffer | string | null)[]): this {
    this.#chunks.push(...chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)));
    this.#wake();
    return this;
  }

  async read(): Promise<Buffer | null> {
    while (this.#chunks.length === 0 && !this.isDestroyed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#chunks.shift() ?? null;
  }

  destroy(): void {
    this.isDestroyed = true;
    this.#wake();
  }
}

interface Run {
  readonly session: ExecSession;
  readonly ended: Promise<ExitEvent>;
  readonly stdout: () => Buffer;
  readonly stderr: () => Buffer;
  /** Resolves when stdout has at least this many bytes. */
  readonly until: (length: number) => Promise<void>;
}

interface RunOptions {
  readonly stdin?: StdinSource;
  readonly sandbox?: string;
  /** Called instead of acknowledging at once. */
  readonly hold?: (written: () => void) => void;
  readonly onEvent?: (event: ExecEvent) => void;
}

const ROADS = [
  { road: 'the channel', toPath: () => readDaemon(home).socket },
  { road: 'plain HTTP', toPath: () => join(home.stateDir, 'older.sock') },
];

describe.each(ROADS)('an exec over $road', ({ toPath }) => {
  const run = (argv: readonly string[], options: RunOptions = {}): Run => {
    const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const waiting = new Set<() => void>();
    const target = (stream: 'stdout' | 'stderr') => (chunk: Buffer, written: () => void) => {
      chunks[stream].push(Buffer.from(chunk));
      for (const wake of waiting) wake();
      (options.hold ?? ((call) => call()))(written);
    };
    const session = new ExecSession({
      transport: createLocalTransport(toPath()) satisfies Transport,
      opening: { start: { id: randomUUID(), sandbox: options.sandbox ?? sandbox, argv } },
      client: randomUUID(),
      stdin: options.stdin,
      stdout: target('stdout'),
      stderr: target('stderr'),
      ...(options.onEvent && { onEvent: options.onEvent }),
    });
    const all = (stream: 'stdout' | 'stderr') => (): Buffer => Buffer.concat(chunks[stream]);
    const ended = session.run();
    ended.catch(() => undefined);
    const until = async (length: number): Promise<void> => {
      const count = (): number => chunks.stdout.reduce((sum, chunk) => sum + chunk.length, 0);
      while (count() < length) {
        await new Promise<void>((resolve) => {
          waiting.add(resolve);
          void ended.then(
            () => resolve(),
            () => resolve(),
          );
        });
      }
    };
    return { session, ended, stdout: all('stdout'), stderr: all('stderr'), until };
  };

  it('carries bytes both ways unchanged', async () => {
    const bytes = randomBytes(16 * 1024 * 1024 + 17);
    const stdin = new TestStdin();
    for (let at = 0; at < bytes.length; at += 100_000) stdin.push(bytes.subarray(at, at + 100_000));
    const { ended, stdout } = run(['cat'], { stdin: stdin.push(null) });
    expect((await ended).exit).toEqual({ code: 0 });
    expect(stdout().equals(bytes)).toBe(true);
  });

  it('answers turn by turn', async () => {
    const stdin = new TestStdin();
    const { ended, until, stdout } = run(['cat'], { stdin });
    for (let turn = 1; turn <= 200; turn += 1) {
      stdin.push('line\n');
      await until(turn * 5);
    }
    stdin.push(null);
    expect((await ended).exit).toEqual({ code: 0 });
    expect(stdout().toString()).toBe('line\n'.repeat(200));
  });

  it('keeps both streams apart and ends as the command did', async () => {
    const { ended, stdout, stderr } = run(['sh', '-c', 'echo out; echo err >&2; kill -9 $$']);
    expect((await ended).exit).toEqual({ signal: 'KILL' });
    expect([stdout().toString(), stderr().toString()]).toEqual(['out\n', 'err\n']);
  });

  it('ends with a command that reads none of 8 MiB of stdin', async () => {
    const stdin = new TestStdin().push(...Array<Buffer>(128).fill(Buffer.alloc(64 * 1024)));
    const { ended } = run(['sh', '-c', 'exit 3'], { stdin });
    expect((await ended).exit).toEqual({ code: 3 });
    expect(stdin.isDestroyed).toBe(true);
  });

  it('closes stdin here when the command has closed it there', async () => {
    const stdin = new TestStdin().push('x');
    const { session, ended } = run(['sh', '-c', 'exec <&-; exec sleep 300'], { stdin });
    while (!stdin.isDestroyed) await delay(10);
    session.signal('KILL');
    expect(await ended).toMatchObject({ exit: { signal: 'KILL' }, reason: 'killed' });
  });

  it('goes on with output, signals and acknowledgements while stdin is not read', async () => {
    const stdin = new TestStdin().push(...Array<Buffer>(128).fill(Buffer.alloc(64 * 1024)));
    const script =
      'trap "exit 7" TERM; head -c 8388608 /dev/zero; echo done >&2; while :; do sleep 0.05; done';
    const { session, ended, until } = run(['sh', '-c', script], { stdin });
    await until(8 * 1024 * 1024);
    session.signal('TERM');
    expect((await ended).exit).toEqual({ code: 7 });
  });

  it('holds a command back whose output is not written', async () => {
    const held: (() => void)[] = [];
    let received = 0;
    const { ended, stdout } = run(['head', '-c', '33554432', '/dev/zero'], {
      hold: (written) => held.push(written),
      onEvent: (event) => {
        if (event.type === 'stdout') received += event.bytes.length;
      },
    });
    await waitUntil(() => received >= 4 * 1024 * 1024 - 64 * 1024);
    await delay(300);
    expect(received).toBeLessThanOrEqual(4 * 1024 * 1024);
    const pump = setInterval(() => held.splice(0).forEach((written) => written()), 1);
    expect((await ended).bytes.stdout).toBe(33_554_432);
    clearInterval(pump);
    expect(stdout().length).toBe(33_554_432);
  });

  it('gives who is behind what came meanwhile afterwards, and all of it before the end', async () => {
    const stdin = new TestStdin();
    const held: (() => void)[] = [];
    let received = 0;
    const { ended, stdout } = run(['cat'], {
      stdin,
      hold: (written) => held.push(written),
      onEvent: (event) => {
        if (event.type === 'stdout') received += event.bytes.length;
      },
    });
    for (let turn = 1; turn <= 10; turn += 1) {
      stdin.push(`${turn}\n`);
      const { length } = Array.from({ length: turn }, (_, index) => `${index + 1}\n`).join('');
      await waitUntil(() => received === length);
    }
    expect([stdout().toString(), held.length]).toEqual(['1\n', 1]);
    held.shift()?.();
    expect(held).toHaveLength(1);
    stdin.push(null);
    expect((await ended).exit).toEqual({ code: 0 });
    expect(stdout().toString()).toBe('1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n');
  });

  it('closes a stream of the command on request', async () => {
    const { session, ended, until } = run(['yes']);
    await until(1);
    session.closeStream('stdout');
    const { exit, closed } = await ended;
    expect({ exit, closed }).toEqual({ exit: { signal: 'PIPE' }, closed: ['stdout'] });
  });

  it('is refused in a sandbox that is none, with the name', async () => {
    const { ended } = run(['true'], { sandbox: 'nowhere' });
    await expect(ended).rejects.toThrow(SbxError);
    await expect(ended).rejects.toMatchObject({
      code: 'sandbox_not_found',
      message: expect.stringContaining('nowhere'),
    });
  });

  it('is lost where the session is closed, and the command is ended', async () => {
    const { session, ended, until } = run(['sh', '-c', 'echo $$; sleep 300']);
    await until(1);
    session.close();
    await expect(ended).rejects.toMatchObject({ code: 'session_lost' });
  });

  it('ends where the server refuses a signal that is none', async () => {
    const { session, ended, until } = run(['sh', '-c', 'echo ready; exec sleep 300']);
    await until(1);
    session.signal('RTMIN+1234567');
    await expect(ended).rejects.toMatchObject({ message: expect.stringContaining('signal') as string });
  });

  it('ends with what its target throws, and not as if the bytes had been written', async () => {
    const { ended } = run(['echo', 'hi'], {
      hold: () => {
        throw new Error('the disk is full');
      },
    });
    await expect(ended).rejects.toThrow('the disk is full');
  });

  it.each(['hello', 'started', 'exit'])('ends with what is thrown at the event %s', async (type) => {
    const { ended } = run(['true'], {
      onEvent: (event) => {
        if (event.type === type) throw new Error(`no ${type} here`);
      },
    });
    await expect(ended).rejects.toThrow(`no ${type} here`);
  });

  it('can be closed before it has connected', async () => {
    const { session, ended } = run(['true']);
    session.close();
    await expect(ended).rejects.toThrow(SbxError);
  });
});
