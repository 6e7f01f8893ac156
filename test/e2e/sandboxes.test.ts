import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { HealthAnswer, SandboxStatus } from '../../src/protocol/api.ts';
import { callApi, readDaemon } from '../support/api.ts';
import { ByteReader } from '../support/byte-reader.ts';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { useHome } from '../support/home.ts';
import { MODES } from '../support/shell.ts';

const home = useHome();

const fail = (message: RegExp) => ({
  stdout: '',
  stderr: expect.stringMatching(new RegExp(`^sbx: ${message.source}\nsbx: hint: .+\n$`)) as string,
  exitCode: 125,
});

async function inspect(name: string): Promise<SandboxStatus> {
  const { stdout } = await home.run(['inspect', name]);
  return JSON.parse(stdout as unknown as string) as SandboxStatus;
}

async function listNames(): Promise<string[]> {
  const { stdout } = await home.run(['ls', '-q']);
  return (stdout as unknown as string).split('\n').filter((name) => name !== '');
}

/** Execs that have not ended, those whose sandbox is being made among them. */
async function countRunning(): Promise<number> {
  const { body } = await callApi(home, 'GET', { path: '/api/v1/health' });
  return (body as HealthAnswer).running;
}

describe('names', () => {
  it.each(['a', '0', 'web', 'a-', '9-lives', 'a'.repeat(63)])('takes %s', async (name) => {
    const { stdout, stderr, exitCode } = await home.run(['create', name]);
    expect({ stdout, stderr, exitCode }).toEqual({ stdout: `${name}\n`, stderr: '', exitCode: 0 });
    expect(await home.run(['exec', name, 'hostname'])).toMatchObject({ stdout: `${name}\n` });
    expect(await home.run(['rm', name])).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
  });

  it.each(['', 'Web', 'a_b', 'a.b', 'a b', '../x', 'ä', 'a\nb', 'a'.repeat(64)])(
    'refuses %j and names it',
    async (name) => {
      const { stdout, stderr, exitCode } = await home.run(['create', '--', name]);
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
      expect(stderr).toContain(`"${name}" is not a name for a sandbox`);
      expect(stderr).toMatch(/^sbx: hint: A name is 1 to 63 of a-z, 0-9 and -/m);
      expect(await listNames()).toEqual([]);
    },
  );

  it('refuses one that is taken, and takes it again when it is free', async () => {
    const name = await home.createSandbox('web');
    expect(await home.run(['create', name])).toMatchObject(fail(/There is a sandbox "web" already/));
    await home.run(['rm', name]);
    expect(await home.run(['create', name])).toMatchObject({ stdout: 'web\n', exitCode: 0 });
    await home.run(['rm', name]);
  });

  it('gives a name to one of two that ask for it at once', async () => {
    const both = await Promise.all([home.run(['create', 'twin']), home.run(['create', 'twin'])]);
    expect(both.map(({ exitCode }) => exitCode).sort()).toEqual([0, 125]);
    expect(await listNames()).toEqual(['twin']);
    await home.run(['rm', 'twin']);
  });

  it('makes readable ones up', async () => {
    const made = await Promise.all([home.createSandbox(), home.createSandbox(), home.createSandbox()]);
    for (const name of made) expect(name).toMatch(/^[a-z]+-[a-z]+-\d\d$/);
    expect(new Set(made).size).toBe(3);
    expect((await listNames()).sort()).toEqual([...made].sort());
    expect(await home.run(['rm', ...made])).toMatchObject({ stderr: '', exitCode: 0 });
  });
});

describe('ls and inspect', () => {
  it('print nothing but a heading where there is no sandbox', async () => {
    const { stdout } = await home.run(['ls']);
    expect(stdout).toMatch(/^NAME +STATE +NETWORK +CREATED +EXPIRES +LABELS\n$/);
    expect(await home.run(['ls', '-q'])).toMatchObject({ stdout: '', exitCode: 0 });
  });

  it('show labels, network and state', async () => {
    const name = await home.createSandbox('--label', 'team=core', '--label', 'eq=a=b', '--label', 'none=');
    const { stdout } = await home.run(['ls']);
    const row = (stdout as unknown as string).split('\n')[1]?.split(/ {2,}/);
    expect(row).toEqual([
      name,
      'running',
      'none',
      expect.stringMatching(/^\d{4}-/),
      '-',
      'team=core,eq=a=b,none=',
    ]);
    expect(await inspect(name)).toMatchObject({
      schema: 1,
      name,
      owner: `uid:${home.caller.uid}`,
      driver: 'oci',
      network: 'none',
      labels: { team: 'core', eq: 'a=b', none: '' },
      expires: null,
      state: 'running',
    });
    await home.run(['rm', name]);
  });

  it('finds a sandbox by its id, too', async () => {
    const name = await home.createSandbox();
    const { id } = await inspect(name);
    expect(await inspect(id)).toMatchObject({ name });
    expect(await home.run(['exec', id, 'hostname'])).toMatchObject({ stdout: `${name}\n` });
    expect(await home.run(['rm', id])).toMatchObject({ exitCode: 0 });
    expect(await listNames()).toEqual([]);
  });

  it.each(['label', '=value', ''])('refuse the label %j', async (label) => {
    const { stderr, exitCode } = await home.run(['create', '--label', label]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(
      new RegExp(`^sbx: "${label}" is not a label\nsbx: hint: Use --label NAME=VALUE\n$`),
    );
  });
});

/**
 * Runs a script in a sandbox that lives for a short time, and gives the name of that. The time counts from before the
 * sandbox is there: where it was over before the script ran, that has shown nothing, and the next one has twice the time.
 */
async function outlive(script: string): Promise<string> {
  for (let ms = 1500; ; ms *= 2) {
    const name = await home.createSandbox('--ttl', `${ms}ms`);
    const { stdout, exitCode } = await home.run(['exec', '-n', name, 'sh', '-c', script]);
    if (stdout === '' && exitCode !== 0) continue;
    expect({ stdout, exitCode }).toEqual({ stdout: 'up\n', exitCode: 137 });
    return name;
  }
}

describe('a time to live', () => {
  it('is told as the moment of its end', async () => {
    const name = await home.createSandbox('--ttl', '1h');
    expect((await inspect(name)).expires).toMatch(/^\d{4}-.*Z$/);
    await home.run(['rm', name]);
  });

  it('removes the sandbox and what runs in it', async () => {
    const mark = makeMark();
    const name = await outlive(`echo up; sleep 1000; : ${mark}`);
    await waitUntil(async () => (await listNames()).length === 0);
    expect(findGuests(mark)).toEqual([]);
    expect(await home.run(['inspect', name])).toMatchObject(fail(/There is no sandbox ".*"/));
  });
});

describe('rm', () => {
  it('names what is not there, and removes the rest', async () => {
    const name = await home.createSandbox();
    const result = await home.run(['rm', 'none-such', name, 'none-too']);
    expect(result.exitCode).toBe(125);
    expect(result.stderr).toContain('sbx: There is no sandbox "none-such"\nsbx: hint: ');
    expect(result.stderr).toContain('sbx: There is no sandbox "none-too"\nsbx: hint: ');
    expect(await listNames()).toEqual([]);
  });

  it.each(MODES)('ends a command that runs, and its client, $mode', async ({ flags }) => {
    const mark = makeMark();
    const name = await home.createSandbox();
    const child = home.start(['exec', ...flags, name, 'sh', '-c', `echo partial; sleep 1000; : ${mark}`]);
    const [stdout, stderr] = [new ByteReader(child.stdout).rest(), new ByteReader(child.stderr).rest()];
    await waitUntil(() => findGuests(mark).length > 0);
    // Its words must have left the shell.
    await waitUntil(async () => (await home.run(['exec', name, 'pgrep', '-x', 'sleep'])).exitCode === 0);

    expect(await home.run(['rm', name])).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });

    expect(await child).toMatchObject({ exitCode: 137 });
    expect((await stdout).toString()).toBe('partial\n');
    await stderr;
    expect(findGuests(mark)).toEqual([]);
    const { body } = await callApi(home, 'GET', { path: '/api/v1/execs' });
    expect(
      (body as { execs: { argv: string[] }[] }).execs.find(({ argv }) => argv.join().includes(mark)),
    ).toMatchObject({ state: 'exited', exit: { signal: 'KILL' }, reason: 'sandbox_removed' });
  });

  it('waits for a removal that is under way', async () => {
    const name = await home.createSandbox();
    const both = await Promise.all([home.run(['rm', name]), home.run(['rm', name])]);
    expect(both.map(({ exitCode }) => exitCode)).toContain(0);
    expect(await listNames()).toEqual([]);
  });

  it('frees the name at once', async () => {
    for (let round = 0; round < 3; round += 1) {
      await home.createSandbox('again');
      expect(await home.run(['rm', 'again'])).toMatchObject({ stderr: '', exitCode: 0 });
    }
  });
});

describe('a fresh sandbox', () => {
  it('is gone when its command has ended, whatever its status', async () => {
    for (const status of [0, 3]) {
      const { exitCode } = await home.run(['exec', '--', 'sh', '-c', `touch /workspace/x; exit ${status}`]);
      expect(exitCode).toBe(status);
    }
    await waitUntil(async () => (await listNames()).length === 0);
  });

  it('is gone when its command cannot be started', async () => {
    expect(await home.run(['exec', '--', 'none-such'])).toMatchObject({ exitCode: 127, stdout: '' });
    await waitUntil(async () => (await listNames()).length === 0);
  });

  it('is new each time', async () => {
    const run = () =>
      home.run(['exec', '--', 'sh', '-c', 'ls -A /tmp /workspace; echo x | tee /tmp/a > /workspace/b']);
    expect(await run()).toMatchObject({ stdout: '/tmp:\n\n/workspace:\n' });
    expect(await run()).toMatchObject({ stdout: '/tmp:\n\n/workspace:\n' });
  });

  it('is gone when its client left before it was there', async () => {
    const mark = makeMark();
    await home.run(['ls']);
    const start = { id: crypto.randomUUID(), argv: ['sh', '-c', `sleep 1000; : ${mark}`] };
    const body = JSON.stringify(start);
    const socket = connect(readDaemon(home).socket);
    const head = `POST /api/v1/execs HTTP/1.1\r\nhost: sbx\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n`;
    await new Promise((resolve) => {
      socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, resolve);
    });
    // The server will read the request, and the end behind it, long before there is a sandbox.
    socket.destroy();
    await waitUntil(async () => (await countRunning()) === 0);
    await waitUntil(async () => (await listNames()).length === 0);
    expect(findGuests(mark)).toEqual([]);
  });

  it('is gone when the time of its command is up', async () => {
    const mark = makeMark();
    const { exitCode } = await home.run([
      'exec',
      '--timeout',
      '300ms',
      '--',
      'sh',
      '-c',
      `sleep 1000; : ${mark}`,
    ]);
    expect(exitCode).toBe(124);
    await waitForGuestsToEnd(mark);
    await waitUntil(async () => (await listNames()).length === 0);
  });
});

it('keeps files of a sandbox between its execs, and from other sandboxes', async () => {
  const [one, other] = [await home.createSandbox(), await home.createSandbox()];
  const write = 'echo mine > /workspace/file; echo mine > /usr/share/sbx-file; echo mine > /etc/sbx-file';
  await home.run(['exec', one, 'sh', '-c', write]);
  const read = ['cat', '/workspace/file', '/usr/share/sbx-file', '/etc/sbx-file'];
  expect(await home.run(['exec', one, ...read])).toMatchObject({ stdout: 'mine\n'.repeat(3), exitCode: 0 });
  expect(await home.run(['exec', other, ...read])).toMatchObject({ stdout: '', exitCode: 1 });
  await home.run(['rm', one, other]);
});
