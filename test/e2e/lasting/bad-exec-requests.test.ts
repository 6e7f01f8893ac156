import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIN_WINDOW, routes, type StdinAnswer } from '../../../src/protocol/api.ts';
import type { ErrorBody } from '../../../src/protocol/errors.ts';
import { SseParser, type SseEvent } from '../../../src/protocol/sse.ts';
import { callApi, followExec, readDaemon, sendStdin, type ApiAnswer } from '../../support/api.ts';
import { ByteReader } from '../../support/byte-reader.ts';
import { CALLER } from '../../support/caller.ts';
import { startDetachedShell } from '../../support/detached.ts';
import { waitUntil } from '../../support/guests.ts';
import { openHome, useHome, useSandbox, type Home } from '../../support/home.ts';
import { parseLine } from '../../support/json-schema.ts';
import { unmount } from '../../support/unmount.ts';

const home = useHome();
const sandbox = useSandbox(home);

const NONE = '00000000-0000-4000-8000-000000000000';
const MINE = '00000000-0000-4000-8000-00000000000a';
const OTHER = '00000000-0000-4000-8000-00000000000b';

const post = (path: string, json: unknown = {}) => callApi(home, 'POST', { path, json });
const get = (path: string) => callApi(home, 'GET', { path });

function toError({ body }: ApiAnswer): ErrorBody {
  return (body as { error: ErrorBody }).error;
}

/** Every request about one exec. */
const REQUESTS: Readonly<Record<string, (id: string) => Promise<ApiAnswer>>> = {
  ack: (id) => post(routes.ack(id), { stdout: 0 }),
  signal: (id) => post(routes.signal(id), { signal: 'TERM' }),
  kill: (id) => post(routes.kill(id)),
  close: (id) => post(routes.close(id), { stream: 'stdout' }),
  leave: (id) => post(routes.leave(id)),
  stdin: (id) => sendStdin(home, routes.stdin(id, 0, MINE), 'x'),
  stdin_end: (id) => post(routes.stdinEnd(id), { offset: 0 }),
};
const READS: Readonly<Record<string, (id: string) => Promise<ApiAnswer>>> = {
  record: (id) => get(routes.exec(id)),
  events: (id) => get(`${routes.events(id)}?from=start`),
};

/** An exec of the caller's own, to be killed at the end. */
async function withExec(argv: readonly string[], use: (id: string) => Promise<void>): Promise<void> {
  const id = randomUUID();
  const json = { id, sandbox, argv, stdin: 'pipe', client: MINE };
  expect(await post(routes.execs, json)).toMatchObject({ status: 201 });
  await use(id);
  expect(await post(routes.kill(id), { kill_after_ms: 0 })).toMatchObject({ status: 204 });
}

describe('a request about an exec', () => {
  it.each(Object.entries({ ...REQUESTS, ...READS }))(
    'that there is none of is 404, and 400 for what is no id: %s',
    async (_name, send) => {
      const none = await send(NONE);
      expect({ status: none.status, ...toError(none) }).toMatchObject({
        status: 404,
        code: 'exec_not_found',
        message: `There is no exec ${NONE}`,
      });
      for (const word of ['box', `${NONE}0`, '%2e%2e', 'constructor']) {
        const { status } = await send(word);
        expect({ word, status }).toEqual({ word, status: 400 });
      }
    },
  );

  it.each(Object.entries(REQUESTS))('that has ended long ago is 409: %s', async (_name, send) => {
    const id = await startDetachedShell(home, sandbox, ['exit 3']);
    await home.run(['wait', id]);
    let answer = await send(id);
    // Its last reader may be on its way.
    await waitUntil(async () => (answer = await send(id)).status === 409);
    expect(toError(answer)).toMatchObject({ code: 'exec_ended' });
    expect(toError(answer).message).toContain(id);
  });

  it('that has ended and of which nothing is kept says so, and when it ended', async () => {
    await home.run(['exec', sandbox, 'echo', 'hi']);
    const { stdout } = await home.run(['ps', '--all', '--json', sandbox]);
    const { id, ended } = parseLine(stdout, 'execs').execs.at(-1)!;
    const attached = await home.run(['attach', id]);
    expect(attached).toMatchObject({ stdout: '', exitCode: 125 });
    expect(attached.stderr).toBe(
      `sbx: Cannot attach: exec ${id} ended at ${ended}\nsbx: hint: How it ended is told by: sbx wait EXEC\n`,
    );
    const read = await home.run(['attach', '--from', 'start', id]);
    expect(read).toMatchObject({ stdout: '', exitCode: 125 });
    expect(read.stderr).toMatch(
      /^sbx: .*its output was not kept\nsbx: hint: .*--detach or --log, .*--on-disconnect keep\n$/,
    );
  });

  it.each([
    ['from=100', 'position 100: the end is at 2'],
    ['stdout=3', 'byte of stdout 3: the end is at 2'],
    ['stdout=2&stderr=1', 'byte of stderr 1: the end is at 0'],
  ])('that begins beyond the end is 400: %s', async (query, words) => {
    const running = await startDetachedShell(home, sandbox, ['printf hi; exec sleep 1000']);
    const ended = await startDetachedShell(home, sandbox, ['printf hi']);
    await home.run(['wait', ended]);
    await waitUntil(async () => String((await home.run(['logs', running])).stdout) === 'hi');
    for (const id of [running, ended]) {
      const answer = await get(`${routes.events(id)}?${query}`);
      expect(answer.status).toBe(400);
      expect(toError(answer)).toMatchObject({ code: 'position_beyond_end' });
      expect(toError(answer).message).toContain(words);
    }
    await home.run(['kill', running]);
  });

  it('that acknowledges more than there is is 400, and changes nothing', async () => {
    const window = { stdout: 128 * 1024, stderr: 128 * 1024 };
    const argv = ['sh', '-c', 'head -c 1000000 /dev/zero'];
    let written = 0;
    let answer: Promise<ApiAnswer> | undefined;
    const events = await followExec(home, { sandbox, argv, window, client: MINE }, ({ event, data }, id) => {
      if (event !== 'stdout') return;
      const { offset, base64 } = JSON.parse(data) as { offset: number; base64: string };
      written = offset + Buffer.from(base64, 'base64').length;
      answer ??= post(routes.ack(id), { client: MINE, stdout: 900_000_000 });
      void answer.then(() => post(routes.ack(id), { client: MINE, stdout: written }));
    });
    const refused = await answer!;
    expect(refused.status).toBe(400);
    expect(toError(refused).message).toMatch(/^Cannot acknowledge stdout up to 900000000: it has \d+ bytes$/);
    expect(written).toBe(1_000_000);
    expect(events.at(-1)).toMatchObject({ event: 'exit' });
  });
});

describe('a signal', () => {
  it.each(['FOO', 'constructor', 'RTMIN+31', 'RTMIN+-3', '9', ''])(
    'that there is none of is 400: %j',
    async (signal) => {
      await withExec(['sleep', '1000'], async (id) => {
        const answer = await post(routes.signal(id), { signal });
        expect([answer.status, toError(answer).code]).toEqual([400, 'invalid_argument']);
      });
    },
  );
});

describe('the query of a reader', () => {
  it.each(['window=999999999999', 'window=1', 'heartbeat_ms=0', 'reconnect_grace_ms=2147483648'])(
    'with a number that is beyond its bounds is 400: %s',
    async (query) => {
      await withExec(['sleep', '1000'], async (id) => {
        const answer = await get(`${routes.events(id)}?watch=1&${query}`);
        expect([answer.status, toError(answer).code]).toEqual([400, 'invalid_argument']);
      });
    },
  );

  it('has a window: no id tells of bytes that it kept back', async () => {
    const size = 200_000;
    const script = `head -c ${size} /dev/zero; sleep 0.5; echo x >&2; exec sleep 1000`;
    const id = await startDetachedShell(home, sandbox, [script]);
    const path = `${routes.events(id)}?watch=1&from=start&window=${MIN_WINDOW}`;
    const call = request({ socketPath: readDaemon(home).socket, path, agent: false }).end();
    const [answer] = (await once(call, 'response')) as [IncomingMessage];
    const events: SseEvent[] = [];
    const parser = new SseParser((event) => events.push(event));
    answer.on('data', (chunk: Buffer) => parser.push(chunk));
    await waitUntil(() => events.some(({ event }) => event === 'stderr'));
    call.destroy();
    const shown = events.filter(({ event }) => event === 'stdout');
    const last = JSON.parse(shown.at(-1)!.data) as { offset: number };
    expect(last.offset).toBeLessThan(size);
    // An EventSource comes back with the last id that it was told.
    const { id: lastId, data } = events.findLast(({ event }) => event === 'stderr')!;
    expect(Number(lastId)).toBeLessThanOrEqual(MIN_WINDOW);
    expect(JSON.parse(data)).toMatchObject({ position: size + 2, offset: 0 });
    await home.run(['kill', id]);
  });
});

describe('a reader without a name', () => {
  it('gets all of an exec that was started before it came', async () => {
    const size = 20_000_000;
    const id = randomUUID();
    const json = { id, sandbox, argv: ['head', '-c', `${size}`, '/dev/zero'] };
    expect(await post(routes.execs, json)).toMatchObject({ status: 201 });
    const path = `${routes.events(id)}?from=start`;
    const call = request({ socketPath: readDaemon(home).socket, path, agent: false }).end();
    const [answer] = (await once(call, 'response')) as [IncomingMessage];
    let last: SseEvent | undefined;
    const parser = new SseParser((event) => {
      last = event;
    });
    for await (const chunk of answer) parser.push(chunk as Buffer);
    expect(last?.event).toBe('exit');
    expect(JSON.parse(last!.data)).toMatchObject({ exit: { code: 0 }, bytes: { stdout: size } });
  });
});

describe('stdin', () => {
  it('at a wrong offset is 409 with the right one; what was sent before is not sent again', async () => {
    await withExec(['cat'], async (id) => {
      const send = (offset: number, bytes: string) => sendStdin(home, routes.stdin(id, offset, MINE), bytes);
      expect((await send(0, 'hello')).body as StdinAnswer).toMatchObject({ accepted: 5 });
      const late = await send(7, 'late');
      expect(late.status).toBe(409);
      expect(toError(late)).toMatchObject({ code: 'stdin_offset', offset: 5 });
      expect((await send(3, 'lo!')).body as StdinAnswer).toMatchObject({ accepted: 6 });
      const end = await post(routes.stdinEnd(id), { offset: 9, client: MINE });
      expect(end.status).toBe(409);
      expect(toError(end)).toMatchObject({ code: 'stdin_offset', offset: 6 });
    });
  });

  it('that begins too late is refused whole, also what comes of it in its time', async () => {
    await withExec(['sleep', '1000'], async (id) => {
      const socket = connect(readDaemon(home).socket);
      const answers = new ByteReader(socket);
      const head = `POST ${routes.stdin(id, 3, MINE)} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n`;
      socket.write(`${head}content-type: application/octet-stream\r\n\r\n3\r\ndef\r\n`);
      expect(await answers.line()).toMatch(/^HTTP\/1.1 409 /);
      const first = await sendStdin(home, routes.stdin(id, 0, MINE), 'abc');
      expect(first.body).toMatchObject({ accepted: 3 });
      // The answer to what is asked next tells that all of the body was taken.
      const next = `GET ${routes.version} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
      socket.end(`3\r\nXYZ\r\n0\r\n\r\n${next}`);
      expect((await answers.rest()).toString()).toContain('HTTP/1.1 200 ');
      const end = await post(routes.stdinEnd(id), { offset: 3, client: MINE });
      expect(end).toMatchObject({ status: 200, body: { accepted: 3 } });
    });
  });

  it('after its end is 409, and the same end again is not', async () => {
    await withExec(['sleep', '1000'], async (id) => {
      const end = () => post(routes.stdinEnd(id), { offset: 0, client: MINE });
      expect(await end()).toMatchObject({ status: 200 });
      expect(await end()).toMatchObject({ status: 200 });
      const more = await sendStdin(home, routes.stdin(id, 0, MINE), 'x');
      expect([more.status, toError(more).code]).toEqual([409, 'stdin_ended']);
    });
  });

  it('of one client is not the stdin of another, which is told so', async () => {
    const owner = home.start(['exec', '--stream', sandbox, 'cat']);
    owner.stderr.resume();
    owner.stdout.resume();
    let id = '';
    await waitUntil(async () => {
      const { stdout } = await home.run(['ps', '--json', sandbox]);
      id = parseLine(stdout, 'execs').execs.find(({ argv }) => argv[0] === 'cat')?.id ?? '';
      return id !== '';
    });
    const stdin = await sendStdin(home, routes.stdin(id, 0, OTHER), 'x');
    const end = await post(routes.stdinEnd(id), { offset: 0, client: OTHER });
    for (const answer of [stdin, end]) {
      expect([answer.status, toError(answer).code]).toEqual([409, 'stdin_owned']);
    }
    owner.stdin.end();
    expect(await owner).toMatchObject({ exitCode: 0 });
  });
});

describe('a directory of logs', () => {
  let own: Home;
  let execs: string;

  beforeEach(async () => {
    own = await openHome();
    execs = join(own.stateDir, 'execs');
    await mkdir(execs, { mode: 0o700 });
    const options = `size=1m,mode=0700,uid=${CALLER.uid},gid=${CALLER.gid}`;
    await execa('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', execs]);
    await own.createSandbox('box');
  });
  afterEach(async () => {
    await own.run(['rm', 'box']);
    await own.run(['daemon', 'stop']);
    await unmount(execs);
    await rmdir(execs);
    await own.close();
  });

  const fill = () => execa('dd', ['if=/dev/zero', `of=${execs}/filling`, 'bs=4k'], { reject: false });
  const readDaemonLog = () => readFileSync(join(own.stateDir, 'daemon.log'), 'utf8');

  /** Counts signals, and does the next thing at each. */
  const SCRIPT = `n=0; trap 'n=$((n+1))' USR1; await() { until test $n -ge $1; do sleep 0.05 2>/dev/null; done; }
    echo begin; await 1; head -c 3000000 /dev/zero; await 2; echo end; exit 3`;

  /** What the log has of stdout, and how many bytes are dropped from it. */
  async function readKept(id: string): Promise<{ shown: string; missing: number }> {
    const { stdout, stderr } = await own.run(['logs', '--stdout', id]);
    const dropped = [...String(stderr).matchAll(/^sbx: (\d+) bytes of stdout were dropped here$/gm)];
    const missing = dropped.reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    return { shown: String(stdout), missing };
  }

  it('that becomes full harms no command: a reader sees the gap, and the log of the daemon has the reason', async () => {
    const id = await startDetachedShell(own, 'box', [SCRIPT]);
    await waitUntil(async () => String((await own.run(['logs', id])).stdout) === 'begin\n');
    await fill();
    await own.run(['kill', '-s', 'USR1', id]);
    const readBytes = async () => {
      const { stdout } = await own.run(['ps', '--json']);
      return parseLine(stdout, 'execs').execs[0]!.bytes.stdout;
    };
    await waitUntil(async () => (await readBytes()) === 3_000_006);
    // What is dropped afterwards would not be.
    await waitUntil(async () => {
      const { shown, missing } = await readKept(id);
      return shown.length + missing === 3_000_006;
    });
    await rm(join(execs, 'filling'));
    await own.run(['kill', '-s', 'USR1', id]);
    expect(await own.run(['wait', id])).toMatchObject({ exitCode: 3 });
    const { shown, missing } = await readKept(id);
    expect(missing).toBeGreaterThan(0);
    expect(shown.length + missing).toBe(3_000_010);
    expect(shown).toMatch(/^begin\n[^]*end\n$/);
    expect(readDaemonLog()).toMatch(/Output of an exec is not in its log: .*the disk is full/);
  });

  it('that is full refuses an exec whose output is to be kept, and no other', async () => {
    await fill();
    const args = ['box', '--', 'sh', '-c', 'echo ran >> /workspace/ran'];
    for (const option of ['-d', '--log']) {
      const { stdout, stderr, exitCode } = await own.run(['exec', option, ...args]);
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
      expect(stderr).toMatch(/^sbx: Cannot .*: the disk is full\nsbx: hint: Make room .*\n$/);
    }
    expect(await own.run(['exec', 'box', 'ls'])).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
    await rm(join(execs, 'filling'));
    const id = await startDetachedShell(own, 'box', ['echo hi']);
    await own.run(['wait', id]);
    expect(await own.run(['logs', id])).toMatchObject({ stdout: 'hi\n', stderr: '' });
  });

  /** Runs an exec with a log in a sandbox that goes by itself, later where it had gone before that. */
  async function useBrief(name: string): Promise<void> {
    for (let seconds = 3; ; seconds *= 2) {
      await own.createSandbox('--ttl', `${seconds}s`, name);
      const { stdout, exitCode } = await own.run(['exec', '-d', name, 'echo', 'hi']);
      if (exitCode === 0) {
        await own.run(['wait', String(stdout).trim()]);
        return;
      }
      await waitUntil(async () => (await own.run(['ls', '-q'])).stdout === 'box\n');
    }
  }

  it('that is full does not keep a sandbox, and its logs go with it', async () => {
    await useBrief('soon');
    await own.run(['wait', await startDetachedShell(own, 'box', ['echo hi'])]);
    const { pid } = readDaemon(own);
    await fill();
    expect(await own.run(['rm', 'box'])).toMatchObject({ stderr: '', exitCode: 0 });
    await waitUntil(async () => (await own.run(['ls', '-q'])).stdout === '');
    expect(readDaemon(own).pid).toBe(pid);
    for (const { id } of parseLine((await own.run(['ps', '--all', '--json'])).stdout, 'execs').execs) {
      await waitUntil(() => !existsSync(join(execs, id, 'log')));
    }
  });

  it('that cannot be written refuses it as well', async () => {
    await execa('mount', ['-o', 'remount,ro', execs]);
    const { stdout, stderr, exitCode } = await own.run(['exec', '-d', 'box', '--', 'true']);
    await execa('mount', ['-o', 'remount,rw', execs]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: .*read-only.*\nsbx: hint: .*SBX_STATE_DIR.*\n$/i);
    expect(await readdir(execs)).toEqual([]);
  });
});
