import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, chown, rm, rmdir, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readProcessStat } from '../../src/posix/process-stat.ts';
import { PROTOCOL, routes } from '../../src/protocol/api.ts';
import { ERRORS, type ErrorCode } from '../../src/protocol/errors.ts';
import { readDaemon } from '../support/api.ts';
import { CALLER, makeDirectory } from '../support/caller.ts';
import { findDaemons } from '../support/daemons.ts';
import {
  CLIENT,
  makeExecCases,
  SLEEP,
  type Call,
  type ErrorCase,
  type Told,
} from '../support/exec-error-cases.ts';
import { makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { findLeftovers, openHome, useHome, type Home } from '../support/home.ts';
import { runShell, startShell } from '../support/shell.ts';
import { startStreaming } from '../support/streaming.ts';
import { unmount } from '../support/unmount.ts';

const home = useHome();
let directory: string;

beforeAll(async () => {
  await home.createSandbox('web');
  directory = await makeDirectory('sbx-test-errors-');
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** Reads what `sbx` said, which has to be nothing but one error in its form. */
function toTold({
  stdout,
  stderr,
  exitCode,
}: {
  stdout: unknown;
  stderr: unknown;
  exitCode?: number | undefined;
}): Told {
  const [, message = '', hint = ''] = /^sbx: (.+)\nsbx: hint: (.+)\n$/.exec(String(stderr)) ?? [];
  expect({ stdout, stderr, isOneError: message !== '' }).toEqual({ stdout: '', stderr, isOneError: true });
  return { exit: exitCode, message, hint };
}

/** Runs `sbx` with these words. */
const type =
  (...args: string[]) =>
  async (): Promise<Told> =>
    toTold(await home.run(args));

const typeWith =
  (env: Readonly<Record<string, string>>, ...args: string[]) =>
  async (): Promise<Told> =>
    toTold(await home.run(args, { env: { ...home.env, ...env } }));

/** Runs a line of bash in which `sbx` is this build. */
const typeInShell = (line: string) => async (): Promise<Told> => toTold(await runShell(home, line));

/** One request to the daemon, as any program could send it. */
async function call({ path, method = 'POST', json, bytes, headers }: Call, from = home): Promise<Told> {
  const type = bytes === undefined ? 'application/json' : 'application/octet-stream';
  const body = bytes ?? (json === undefined ? undefined : JSON.stringify(json));
  const sent = httpRequest({
    socketPath: readDaemon(from).socket,
    method,
    path,
    agent: false,
    headers: { ...(body !== undefined && { 'content-type': type }), ...headers },
  });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const { error } = JSON.parse(Buffer.concat(chunks).toString() || '{}') as { error?: Told };
  const { code = '', message = '', hint = '' } = error ?? {};
  return { http: answer.statusCode, code, message, hint };
}

/** Starts an exec that nobody follows, uses it, and kills it. */
async function withExec(argv: readonly string[], use: (id: string) => Promise<Told>): Promise<Told> {
  const id = randomUUID();
  const mark = makeMark();
  const json = { id, sandbox: 'web', argv: [...argv, mark], stdin: 'pipe' };
  expect(await call({ path: routes.execs, json })).toMatchObject({ http: 201 });
  try {
    return await use(id);
  } finally {
    await call({ path: routes.signal(id), json: { signal: 'KILL' } });
    await waitForGuestsToEnd(mark);
  }
}

/** A home of its own, for what breaks one. */
async function inAnother(use: (other: Home) => Promise<Told>, env = {}): Promise<Told> {
  const other = await openHome(env);
  try {
    return await use(other);
  } finally {
    await other.close();
  }
}

/** A runtime that works until it is broken. */
async function makeBreakableRuntime(): Promise<{ path: string; break: () => Promise<void> }> {
  const path = join(directory, `runtime-${randomUUID()}`);
  const script = `#!/bin/sh\n[ -e "$0.broken" ] && { echo "it is out of order" >&2; exit 1; }\nexec crun "$@"\n`;
  await writeFile(path, script, { mode: 0o755 });
  return { path, break: () => writeFile(`${path}.broken`, '') };
}

/** Kills the daemon while this runs. */
async function killDuring(other: Home, args: readonly string[], isUnderWay: () => boolean): Promise<Told> {
  const { pid } = readDaemon(other);
  const running = other.run(args);
  await waitUntil(isUnderWay);
  process.kill(pid, 'SIGKILL');
  return toTold(await running);
}

const CASES = {
  ...makeExecCases({ getHome: () => home, type, call, toTold, withExec }),
  usage: { names: '"frobnicate"', reach: type('frobnicate') },
  invalid_argument: {
    names: 'body/labels must be object',
    reach: () => call({ path: routes.sandboxes, json: { labels: 5 } }),
  },
  invalid_name: { names: '"Web_1"', reach: type('create', 'Web_1') },
  invalid_size: { names: '"much"', reach: type('exec', '-d', '--log-size', 'much', 'web', 'true') },
  invalid_duration: { names: '"soon"', reach: type('exec', '--timeout', 'soon', 'web', 'true') },
  invalid_text: { names: 'UTF-8', reach: typeInShell("sbx exec web echo $'\\xff'") },
  invalid_host: { names: '"ftp://there"', reach: type('ls', '--host', 'ftp://there') },
  env_unset: { names: 'SBX_TEST_UNSET', reach: type('exec', '-e', 'SBX_TEST_UNSET', 'web', 'true') },
  env_file_unreadable: {
    names: '/none/such.env',
    reach: type('exec', '--env-file', '/none/such.env', 'web', 'true'),
  },
  sandbox_not_found: { names: '"none-such"', reach: type('exec', 'none-such', 'true') },
  sandbox_exists: { names: '"web"', reach: type('create', 'web') },
  sandbox_stopped: {
    names: '"stopped-one"',
    hint: 'sbx rm stopped-one',
    reach: async () => {
      await home.createSandbox('stopped-one');
      const { stdout } = await home.run(['inspect', 'stopped-one']);
      const { id } = JSON.parse(String(stdout)) as { id: string };
      const pid = Number(readFileSync(join(home.stateDir, 'sandboxes', id, 'init.pid'), 'utf8'));
      process.kill(pid, 'SIGKILL');
      // Its root goes earlier than it does.
      await waitUntil(() => [undefined, 'Z'].includes(readProcessStat(pid)?.state));
      const told = toTold(await home.run(['exec', 'stopped-one', 'true']));
      expect(await home.run(['rm', 'stopped-one'])).toMatchObject({ stderr: '', exitCode: 0 });
      return told;
    },
  },
  exec_not_found: {
    names: '00000000-0000-4000-8000-000000000000',
    reach: () => call({ method: 'GET', path: routes.exec('00000000-0000-4000-8000-000000000000') }),
  },
  exec_exists: {
    names: 'There is an exec',
    reach: () =>
      withExec(SLEEP, (id) => call({ path: routes.execs, json: { id, sandbox: 'web', argv: ['true'] } })),
  },
  exec_ended: {
    names: 'has ended',
    reach: async () => {
      const id = randomUUID();
      await call({ path: routes.execs, json: { id, sandbox: 'web', argv: ['true'] } });
      let told = await call({ path: routes.signal(id), json: { signal: 'TERM' } });
      await waitUntil(async () => {
        told = await call({ path: routes.signal(id), json: { signal: 'TERM' } });
        return told.http !== 204;
      });
      return told;
    },
  },
  stdin_offset: {
    names: 'offset 0, not at 5',
    reach: () => withExec(SLEEP, (id) => call({ path: routes.stdin(id, 5, CLIENT), bytes: 'late' })),
  },
  stdin_ended: {
    names: 'it was ended',
    reach: () =>
      withExec(SLEEP, async (id) => {
        expect(await call({ path: routes.stdinEnd(id), json: { offset: 0 } })).toMatchObject({ http: 200 });
        return call({ path: routes.stdin(id, 0, CLIENT), bytes: 'more' });
      }),
  },
  command_not_found: { names: 'no-such-command', reach: type('exec', 'web', 'no-such-command') },
  cannot_execute: { names: '/etc/passwd', reach: type('exec', 'web', '/etc/passwd') },
  argument_too_long: {
    names: 'LONG',
    reach: async () => {
      const file = join(directory, 'long.env');
      await writeFile(file, `LONG=${'x'.repeat(128 * 1024)}\n`);
      return type('exec', '--env-file', file, 'web', 'true')();
    },
  },
  bad_directory: { names: '/no/such/place', reach: type('exec', '-w', '/no/such/place', 'web', 'true') },
  bad_user: { names: 'nobody-here', reach: type('exec', '-u', 'nobody-here', 'web', 'true') },
  runtime_unavailable: {
    names: '/none/such-runtime',
    hint: 'sbx setup',
    reach: () =>
      inAnother(async (other) => toTold(await other.run(['create', '--runtime', '/none/such-runtime']))),
  },
  runtime_failed: {
    names: 'it is out of order',
    reach: async () => {
      const runtime = await makeBreakableRuntime();
      return inAnother(
        async (other) => {
          const name = await other.createSandbox();
          await runtime.break();
          const told = toTold(await other.run(['exec', name, 'true']));
          await rm(`${runtime.path}.broken`);
          return told;
        },
        { SBX_RUNTIME: runtime.path },
      );
    },
  },
  disk_full: {
    names: 'full',
    reach: async () => {
      const stateDir = await makeDirectory('sbx-test-full-');
      const options = `size=1m,mode=0700,uid=${CALLER.uid},gid=${CALLER.gid}`;
      await execa('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', stateDir]);
      await execa('dd', ['if=/dev/zero', `of=${stateDir}/filling`, 'bs=64k'], { reject: false });
      const told = await typeWith({ SBX_STATE_DIR: stateDir }, 'create')();
      expect(told.message).toContain(stateDir);
      await unmount(stateDir);
      await rmdir(stateDir);
      return told;
    },
  },
  state_dir_unusable: { names: '/proc/of-mine', reach: typeWith({ SBX_STATE_DIR: '/proc/of-mine' }, 'ls') },
  server_unreachable: {
    names: 'sbx.sock',
    reach: () =>
      inAnother(async (other) => {
        await other.run(['ls']);
        const { pid, socket } = readDaemon(other);
        process.kill(pid, 'SIGSTOP');
        // In its place, to know that the request has come: before that another daemon would be started.
        await rm(socket);
        const server = createServer((client) => {
          client.once('data', () => {
            process.kill(pid, 'SIGKILL');
            client.destroy();
          });
        }).listen(socket);
        await once(server, 'listening');
        await chown(socket, CALLER.uid, CALLER.gid);
        const told = toTold(await other.run(['create']));
        server.close();
        await once(server, 'close');
        return told;
      }),
  },
  daemon_failed: {
    names: 'daemon.json cannot be read',
    hint: 'fuser',
    reach: () =>
      inAnother(async (other) => {
        await writeFile(join(other.stateDir, 'daemon.json'), 'broken');
        const holder = startShell(other, `exec flock ${other.stateDir}/lock sh -c 'echo held; read -r line'`);
        await once(holder.stdout, 'data');
        const told = toTold(await other.run(['ls']));
        holder.stdin.end();
        await holder;
        return told;
      }),
  },
  protocol_mismatch: {
    names: 'protocol 99',
    reach: () => call({ method: 'GET', path: routes.version, headers: { 'sbx-protocol': '99' } }),
  },
  shutting_down: {
    names: 'the server is stopping',
    reach: () =>
      inAnother(async (other) => {
        const name = await other.createSandbox();
        // The server waits for it, and refuses what is new.
        const run = startStreaming(other, [name, '--', 'sh', '-c', 'echo ready; read -r _']);
        expect(await run.stdout.line()).toBe('ready');
        expect(await call({ path: routes.stop, json: { wait_ms: 3_600_000 } }, other)).toMatchObject({
          http: 200,
        });
        const json = { id: randomUUID(), sandbox: name, argv: ['true'] };
        const told = await call({ path: routes.execs, json }, other);
        run.child.stdin.end('\n');
        expect(await run.finish()).toMatchObject({ status: 0 });
        await waitUntil(() => findDaemons(other.stateDir).length === 0);
        return told;
      }),
  },
  busy: {
    names: 'it runs 1 execs',
    reach: () => withExec(SLEEP, () => call({ path: routes.stop, json: { if_idle: true } })),
  },
  session_lost: {
    names: 'session ended without exit event',
    reach: () =>
      inAnother(async (other) => {
        const name = await other.createSandbox();
        const mark = join(other.stateDir, 'starting');
        const told = await killDuring(other, ['exec', name, 'sleep', '300'], () => {
          const execs = join(other.stateDir, 'execs');
          return readdirSync(mark).length === 0 && existsSync(execs) && readdirSync(execs).length > 0;
        });
        await other.run(['ls']);
        return told;
      }),
  },
  input_failed: { names: 'EISDIR', reach: typeInShell('sbx exec --stream web cat </') },
  output_failed: { names: 'stdout', reach: typeInShell('sbx exec web echo hi >/dev/full') },
  setup_failed: {
    names: '/none/such-runtime',
    hint: 'unset SBX_RUNTIME',
    reach: typeWith({ SBX_RUNTIME: '/none/such-runtime' }, 'setup', '--yes'),
  },
  route_not_found: {
    names: 'GET /api/v1/nowhere',
    reach: () => call({ method: 'GET', path: '/api/v1/nowhere' }),
  },
  internal: {
    names: 'answered 500: "what?"',
    hint: 'no sbx server',
    reach: async () => {
      const socket = join(directory, 'other.sock');
      // Whatever it is that answers, it is no sbx.
      const server = createServer((client) => {
        client.once('data', () => client.end('HTTP/1.1 500 Oh\r\ncontent-length: 5\r\n\r\nwhat?'));
      }).listen(socket);
      await once(server, 'listening');
      await chmod(socket, 0o777);
      const stateDir = await makeDirectory('sbx-test-internal-');
      const version = String((await home.run(['version'])).stdout).split(/[ ,]/)[1];
      const file = {
        schema: 1,
        instance: '',
        pid: process.pid,
        start_time: '',
        protocol: PROTOCOL,
        version,
        socket,
      };
      await writeFile(join(stateDir, 'daemon.json'), JSON.stringify(file));
      const told = await typeWith({ SBX_STATE_DIR: stateDir }, 'ls')();
      server.close();
      await rm(stateDir, { recursive: true });
      return told;
    },
  },
} satisfies Record<ErrorCode, ErrorCase>;

describe('every error', () => {
  it('of the table has its case here, and no other has', () => {
    expect(Object.keys(CASES).sort()).toEqual(Object.keys(ERRORS).sort());
  });

  it.each(Object.entries(CASES))('names what is wrong and what to do: %s', async (name, known: ErrorCase) => {
    const code = name as ErrorCode;
    const told = await known.reach();
    const { exit, http, hint } = ERRORS[code];
    expect(told).toMatchObject({
      ...(told.http === undefined ? { exit } : { http, code }),
      message: expect.stringContaining(known.names) as string,
      hint: expect.stringContaining(known.hint ?? hint) as string,
    });
  });

  it('leaves the sandboxes that were there, and nothing else', async () => {
    expect(await home.run(['ls', '-q'])).toMatchObject({ stdout: 'web\n' });
    expect(findLeftovers(directory)).toEqual([]);
  });
});
