import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { routes } from '../../src/protocol/api.ts';
import { callApi, followExec } from '../support/api.ts';
import { ByteReader } from '../support/byte-reader.ts';
import { makeDirectory } from '../support/caller.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell } from '../support/shell.ts';
import { runTimed } from '../support/timed.ts';

const home = useHome();
const sandbox = useSandbox(home);
let directory: string;

/** For hundreds of commands on a busy machine; it only ends what hangs. */
const LONG_MS = 300_000;

beforeAll(async () => {
  directory = await makeDirectory('stdin-');
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

describe.each(MODES)('a stdin that never closes, $mode', ({ flags }) => {
  const cases = [
    { what: 'a command that exits', args: ['sh', '-c', 'echo out; exit 5'], stdout: 'out\n', status: 5 },
    { what: 'a command that has read some of it', args: ['head', '-n', '1'], stdout: 'first\n', status: 0 },
    { what: 'a command that there is none of', args: ['no-such-command'], stdout: '', status: 127 },
  ];

  it.each(cases)('does not keep $what, over a socket', async ({ args, stdout, status }) => {
    const child = home.start(['exec', ...flags, sandbox, ...args]);
    const reader = new ByteReader(child.stdout);
    child.stdin.write('first\n');
    expect((await reader.rest()).toString()).toBe(stdout);
    expect(await child).toMatchObject({ exitCode: status });
  });

  it.each(cases)('does not keep $what, over a pipe', async ({ args, stdout, status }) => {
    // The shell itself holds the writing end for as long as sbx runs.
    const script = 'exec 9<> <(:); echo first >&9; sbx exec "$@" <&9';
    expect(await runShell(home, script, [...flags, sandbox, ...args])).toMatchObject({
      stdout,
      exitCode: status,
    });
  });

  it('does not keep --timeout from its end', async () => {
    const { result } = await runTimed({ home, sandbox }, async ({ timeout, begun }) => {
      const script = `echo out; ${begun}; exec cat`;
      const child = home.start(['exec', ...flags, '--timeout', timeout, sandbox, 'sh', '-c', script]);
      const stdout = await new ByteReader(child.stdout).rest();
      return { stdout: stdout.toString(), exitCode: (await child).exitCode };
    });
    expect(result).toEqual({ stdout: 'out\n', exitCode: 124 });
  });
});

describe('an empty stdin', () => {
  it.each(MODES)('ends cat 25 times, $mode', async ({ flags }) => {
    const script = 'for i in {1..25}; do : | sbx exec "$@" cat || exit; echo "$i"; done';
    const { stdout } = await runShell(home, script, [...flags, sandbox]);
    expect(stdout).toBe(Array.from({ length: 25 }, (_, i) => `${i + 1}\n`).join(''));
  });

  it('ends cat 950 times over the API', { timeout: LONG_MS }, async () => {
    const endAtOnce = async (): Promise<unknown> => {
      let ended: Promise<unknown> | undefined;
      const start = { sandbox, argv: ['cat'], stdin: 'pipe' } as const;
      const events = await followExec(home, start, ({ event }, id) => {
        if (event === 'hello')
          ended = callApi(home, 'POST', { path: routes.stdinEnd(id), json: { offset: 0 } });
      });
      await ended;
      const last = events.at(-1);
      return { event: last?.event, data: JSON.parse(last?.data ?? 'null') as unknown };
    };
    let left = 950;
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const bytes = { stdout: 0, stderr: 0 };
        expect(await endAtOnce()).toMatchObject({
          event: 'exit',
          data: { exit: { code: 0 }, reason: 'exited', bytes },
        });
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
  });
});

describe.each(MODES)('64 MiB for a child that reads none of it, $mode', ({ flags }) => {
  it('are no error from a pipe, and the writer meets SIGPIPE', async () => {
    const script = `head -c 67108864 /dev/zero | sbx exec "$@" sh -c 'exit 3'; echo "\${PIPESTATUS[@]}"`;
    const { stdout, stderr } = await runShell(home, script, [...flags, sandbox]);
    expect({ stdout, stderr }).toEqual({ stdout: '141 3\n', stderr: '' });
  });

  it('are no error from a pipe where the child lives on for a while', async () => {
    const script = `head -c 67108864 /dev/zero | sbx exec "$@" sh -c 'sleep 1; exit 3'; echo "\${PIPESTATUS[@]}"`;
    const { stdout, stderr } = await runShell(home, script, [...flags, sandbox]);
    expect({ stdout, stderr }).toEqual({ stdout: '141 3\n', stderr: '' });
  });

  it('are no error from a file', async () => {
    const path = join(directory, 'large');
    await writeFile(path, Buffer.alloc(64 * 1024 * 1024));
    const script = `path=$1; shift; sbx exec "$@" sh -c 'exit 3' <"$path"`;
    expect(await runShell(home, script, [path, ...flags, sandbox])).toMatchObject({
      stderr: '',
      exitCode: 3,
    });
  });

  it('are no error from a socket', async () => {
    const child = home.start(['exec', ...flags, sandbox, 'sh', '-c', 'exit 3']);
    const stderr = new ByteReader(child.stderr);
    child.stdin.on('error', () => undefined);
    child.stdin.end(Buffer.alloc(64 * 1024 * 1024));
    expect(await stderr.rest()).toHaveLength(0);
    expect(await child).toMatchObject({ exitCode: 3 });
  });

  it('are cut off where the child closes its stdin and goes on: yes dies of SIGPIPE', async () => {
    const script = `yes | sbx exec "$@" -- sh -c 'exec <&-; sleep 1; echo done'; echo "\${PIPESTATUS[@]}"`;
    const { stdout, stderr } = await runShell(home, script, [...flags, sandbox]);
    expect({ stdout, stderr }).toEqual({ stdout: 'done\n141 0\n', stderr: '' });
  });
});

it('closes our stdin as soon as the child has closed its own, while it runs', async () => {
  const child = home.start([
    'exec',
    '--stream',
    sandbox,
    'sh',
    '-c',
    'exec <&-; echo closed; exec sleep 1000',
  ]);
  const reader = new ByteReader(child.stdout);
  expect(await reader.line()).toBe('closed');
  // The writer's end of a socket pair fails when the other end is closed, as a pipe does.
  await new Promise<void>((resolve) => {
    child.stdin.on('error', () => {
      resolve();
    });
    const write = (): void => void child.stdin.write('x', (error) => error ?? setImmediate(write));
    write();
  });
  child.kill('SIGTERM');
  expect(await child).toMatchObject({ exitCode: 143 });
});

it.each(MODES)('closes our stdin also where its writer has nothing to write, $mode', async ({ flags }) => {
  // poll(2) tells the writer that its reader has gone; what it then starts ends the command.
  const code = 'import select; watch = select.poll(); watch.register(1, 0); watch.poll()';
  const script = `code=$1 sandbox=$2; shift
    { python3 -c "$code"; sbx exec -n "$sandbox" touch /tmp/noticed; } |
      sbx exec "\${@:2}" "$sandbox" sh -c 'rm -f /tmp/noticed; exec <&-; while [ ! -e /tmp/noticed ]; do sleep 0.1; done; echo noticed'`;
  expect(await runShell(home, script, [code, sandbox, ...flags])).toEqual({
    stdout: 'noticed\n',
    stderr: '',
    exitCode: 0,
  });
});

describe.each(MODES)('what stands on stdin, $mode', ({ flags }) => {
  it.each([
    {
      what: 'a file',
      script: 'printf "one\\ntwo\\n" >"$file"; sbx exec "$@" cat <"$file"',
      stdout: 'one\ntwo\n',
    },
    { what: 'an empty file', script: ': >"$file"; sbx exec "$@" cat <"$file"', stdout: '' },
    {
      what: 'what is left of a file',
      script: 'printf "one\\ntwo\\n" >"$file"; { read -r line; sbx exec "$@" cat; } <"$file"',
      stdout: 'two\n',
    },
    { what: 'a here-document', script: 'sbx exec "$@" cat <<<"here"', stdout: 'here\n' },
    { what: '/dev/null', script: 'sbx exec "$@" cat </dev/null', stdout: '' },
    { what: 'a file that is open for writing only', script: 'sbx exec "$@" cat 0>"$file"', stdout: '' },
    { what: '/dev/null as nohup leaves it', script: 'sbx exec "$@" cat 0>/dev/null', stdout: '' },
    { what: 'a closed descriptor', script: 'sbx exec "$@" cat <&-', stdout: '' },
    {
      what: 'a pipe without its last newline',
      script: 'printf "no newline" | sbx exec "$@" cat',
      stdout: 'no newline',
    },
    { what: 'a pipe after a pause', script: '(sleep 0.5; echo late) | sbx exec "$@" cat', stdout: 'late\n' },
    { what: 'nothing, with -n', script: 'echo unseen | sbx exec -n "$@" cat', stdout: '' },
    {
      what: 'nothing, with -n where stdin never closes',
      script: 'exec 9<> <(:); sbx exec -n "$@" cat <&9',
      stdout: '',
    },
  ])('is forwarded: $what', async ({ script, stdout }) => {
    const file = join(directory, 'file');
    const result = await runShell(home, `file=$1; shift; ${script}`, [file, ...flags, sandbox]);
    expect(result).toEqual({ stdout, stderr: '', exitCode: 0 });
  });

  it('is /dev/null for the child where descriptor 0 is closed', async () => {
    const { stdout } = await runShell(home, 'sbx exec "$@" readlink /proc/self/fd/0 <&-', [
      ...flags,
      sandbox,
    ]);
    expect(stdout).toBe('/dev/null\n');
  });

  it('does not eat the lines of a shell loop that runs it with -n', async () => {
    const script = 'printf "a\\nb\\nc\\n" | while read -r line; do sbx exec -n "$@" echo "$line"; done';
    const { stdout } = await runShell(home, script, [...flags, sandbox]);
    expect(stdout).toBe('a\nb\nc\n');
  });
});

it('a connection on stdin that is reset is no end of it', async () => {
  const code = `
import socket, struct, subprocess, sys
server = socket.create_server(('127.0.0.1', 0))
ours = socket.create_connection(server.getsockname())
peer, _ = server.accept()
child = subprocess.Popen(sys.argv[1:], stdin=ours, stdout=subprocess.PIPE)
ours.close()
peer.sendall(b'the first half\\n')
print(child.stdout.readline().decode(), end='')
peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
peer.close()
sys.exit(child.wait())`;
  const script = 'python3 -c "$1" sbx exec --stream "$2" -- cat';
  const { stdout, stderr, exitCode } = await runShell(home, script, [code, sandbox]);
  expect({ stdout, exitCode }).toEqual({ stdout: 'the first half\n', exitCode: 125 });
  expect(stderr).toMatch(/^sbx: Cannot read stdin: ECONNRESET.*\nsbx: hint: The command was ended/);
});
