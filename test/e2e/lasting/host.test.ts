import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { makeDirectory } from '../../support/caller.ts';
import { makeCertificate, openForwarder, type Certificate, type Forwarder } from '../../support/forwarder.ts';
import { openHome, useHome, type Home } from '../../support/home.ts';
import { runShell } from '../../support/shell.ts';

/** Where the server is. */
const home = useHome();
/** Another user's place, without a daemon: one that is started there is a failure. */
let client: Home;
let directory: string;
let tcp: Forwarder;
let tls: Forwarder;
let prefixed: Forwarder;
let certificate: Certificate;

beforeAll(async () => {
  await home.createSandbox('web');
  directory = await makeDirectory('sbx-test-host-');
  certificate = await makeCertificate(directory);
  await chmod(certificate.certificateFile, 0o644);
  const target = readDaemon(home).socket;
  tcp = await openForwarder({ target });
  tls = await openForwarder({ target, certificate });
  prefixed = await openForwarder({ target, certificate, prefix: '/team/sbx' });
  client = await openHome({ NODE_EXTRA_CA_CERTS: certificate.certificateFile });
});

afterAll(async () => {
  for (const forwarder of [tcp, tls, prefixed]) await forwarder.close();
  expect(existsSync(join(client.stateDir, 'daemon.json'))).toBe(false);
  await rm(client.stateDir, { recursive: true });
  await rm(directory, { recursive: true });
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

const ROADS: { road: string; toHost: () => string }[] = [
  { road: 'a Unix socket', toHost: () => `unix://${readDaemon(home).socket}` },
  { road: 'TCP', toHost: () => `http://127.0.0.1:${tcp.port}` },
  { road: 'TLS', toHost: () => `https://localhost:${tls.port}/` },
  { road: 'TLS under a path', toHost: () => `https://localhost:${prefixed.port}/team/sbx` },
];

describe.each(ROADS)('a server that is reached over $road', ({ toHost }) => {
  it.each([
    { mode: 'buffered', flags: [] },
    { mode: 'streaming', flags: ['--stream'] },
  ])('gives 16 MiB back as they were sent, $mode', async ({ flags }) => {
    const input = randomBytes(16 * 1024 * 1024 + 17);
    const args = ['exec', ...flags, '--host', toHost(), 'web', 'cat'];
    const { stdout, stderr, exitCode } = await client.runBytes(args, { input, stdin: 'pipe' });
    expect({ stderr: String(stderr), exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(input.equals(stdout as Uint8Array)).toBe(true);
  });

  it('passes both streams and the status on', async () => {
    const script = 'echo out; echo err >&2; exit 42';
    const result = await client.run(['exec', '--host', toHost(), 'web', 'sh', '-c', script]);
    expect(result).toMatchObject({ stdout: 'out\n', stderr: 'err\n', exitCode: 42 });
  });

  it('answers turn by turn', async () => {
    const script = `
      coproc sbx exec --stream --host "$1" web cat
      pid=$COPROC_PID
      for turn in {1..50}; do
        echo "turn $turn" >&"\${COPROC[1]}"
        read -r line <&"\${COPROC[0]}"
        [ "$line" = "turn $turn" ] || exit 99
      done
      exec {COPROC[1]}>&-
      wait "$pid"`;
    expect(await runShell(client, script, [toHost()])).toMatchObject({ stderr: '', exitCode: 0 });
  });

  it('makes, lists, shows and removes sandboxes', async () => {
    const host = ['--host', toHost()];
    expect(await client.run(['create', ...host, 'far'])).toMatchObject({ stdout: 'far\n', exitCode: 0 });
    expect(await home.run(['ls', '-q'])).toMatchObject({
      stdout: expect.stringContaining('far\n') as string,
    });
    expect(await client.run(['inspect', ...host, 'far'])).toMatchObject({ exitCode: 0 });
    expect(await client.run(['rm', ...host, 'far'])).toMatchObject({ stderr: '', exitCode: 0 });
    expect(await client.run(['ls', '-q', ...host])).toMatchObject({ stdout: 'web\n', exitCode: 0 });
  });
});

describe('SBX_HOST', () => {
  const withHost = (text: string) => ({ env: { ...client.env, SBX_HOST: text } });
  const nowhere = 'unix:///none/such.sock';

  it('chooses the server of every command, sbx rsh too', async () => {
    const options = withHost(`http://127.0.0.1:${tcp.port}`);
    expect(await client.run(['ls', '-q'], options)).toMatchObject({ stdout: 'web\n', exitCode: 0 });
    const said = await client.run(['rsh', 'web', 'echo', 'there'], options);
    expect(said).toMatchObject({ stdout: 'there\n', stderr: '', exitCode: 0 });
  });

  it('is beaten by the flag', async () => {
    const result = await client.run(['ls', '-q', `--host=http://127.0.0.1:${tcp.port}`], withHost(nowhere));
    expect(result).toMatchObject({ stdout: 'web\n', stderr: '', exitCode: 0 });
  });

  it('is none where it is empty', async () => {
    const result = await home.run(['ls', '-q'], { env: { ...home.env, SBX_HOST: '' } });
    expect(result).toMatchObject({ stdout: 'web\n', stderr: '', exitCode: 0 });
  });

  it('is named where it is no address', async () => {
    const { stderr, exitCode } = await client.run(['ls'], withHost('host:22'));
    expect({ stderr, exitCode }).toMatchObject({
      stderr: expect.stringContaining('Cannot use "host:22" of SBX_HOST') as string,
      exitCode: 125,
    });
  });

  it('says nothing to the commands that are about this machine', async () => {
    const result = await home.run(['daemon', 'status'], { env: { ...home.env, SBX_HOST: nowhere } });
    expect(result).toMatchObject({ stderr: '', exitCode: 0 });
  });
});

describe('a server that cannot be reached', () => {
  const refused = async (args: readonly string[], env = client.env): Promise<string> => {
    const { stdout, stderr, exitCode } = await client.run(args, { env });
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    return String(stderr);
  };

  it.each(['http', 'https'])('is named with its address, over %s', async (scheme) => {
    const closed = await openForwarder({ target: '/none/such.sock' });
    await closed.close();
    const host = `${scheme}://localhost:${closed.port}`;
    const said = await refused(['exec', '--host', host, 'web', 'true']);
    expect(said).toContain(`Cannot reach the server at ${host}: connect ECONNREFUSED`);
    expect(said).toContain('hint: Check the address');
  });

  it('is none whose certificate nobody vouches for', async () => {
    const { NODE_EXTRA_CA_CERTS: _, ...env } = client.env;
    const host = `https://localhost:${tls.port}`;
    const said = await refused(['exec', '--host', host, 'web', 'true'], env);
    expect(said).toContain(`Cannot reach the server at ${host}: self-signed certificate`);
    expect(said).toContain('NODE_EXTRA_CA_CERTS');
  });

  it('is none whose certificate is that of another host', async () => {
    const other = await openForwarder({ target: readDaemon(home).socket, host: '127.0.0.2', certificate });
    const said = await refused(['ls', '--host', `https://127.0.0.2:${other.port}`]);
    expect(said).toContain("does not match certificate's altnames");
    await other.close();
  });

  describe('because what listens there never answers', () => {
    let silent: Server;
    let host: string;

    beforeAll(async () => {
      // It takes connections, and never begins with TLS.
      silent = createServer(() => undefined).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      host = `https://localhost:${(silent.address() as AddressInfo).port}`;
    });

    afterAll(() => {
      silent.close();
    });

    it('is given up', async () => {
      const said = await refused(['exec', '--host', host, 'web', 'true']);
      expect(said).toContain(`Cannot reach the server at ${host}: nobody answered for 10 s`);
    });

    it('is given up at once on a signal', async () => {
      const connected = once(silent, 'connection');
      const running = client.start(['exec', '--host', host, 'web', 'true']);
      await connected;
      running.kill('SIGTERM');
      expect(await running).toMatchObject({ exitCode: 143 });
    });
  });

  it('is none that is something else', async () => {
    const said = await refused(['ls', '--host', `https://localhost:${prefixed.port}/elsewhere`]);
    expect(said).toContain('answered 404: "no such place"');
    expect(said).toContain('no sbx server');
  });

  it('is not asked where a runtime is chosen, too', async () => {
    const before = tcp.connections;
    const host = `http://127.0.0.1:${tcp.port}`;
    const said = await refused(['exec', '--runtime', 'crun', '--host', host, 'web', 'true']);
    expect(said).toContain(`The server at ${host} chooses its runtime itself`);
    expect(tcp.connections).toBe(before);
  });

  it('makes an exec a lost one that is cut for longer than its grace', async () => {
    const own = await openForwarder({ target: readDaemon(home).socket });
    const running = client.start([
      'exec',
      '--stream',
      '--host',
      `http://127.0.0.1:${own.port}`,
      '--reconnect-grace',
      '1s',
      'web',
      'cat',
    ]);
    running.stdin.write('hello\n');
    const chunk: unknown = await new Promise((resolve) => running.stdout.once('data', resolve));
    expect(String(chunk)).toBe('hello\n');
    await own.close();
    expect(await running).toMatchObject({ exitCode: 125 });
  });
});

it.each(['127.0.0.1', ...(hasIpv6 ? ['::1'] : [])])(
  'a server at %s is reached, and its certificate checked',
  async (host) => {
    const at = host.includes(':') ? `[${host}]` : host;
    const target = readDaemon(home).socket;
    const plain = await openForwarder({ target, host });
    const safe = await openForwarder({ target, host, certificate });
    for (const address of [`http://${at}:${plain.port}`, `https://${at}:${safe.port}`]) {
      const result = await client.run(['ls', '-q', '--host', address]);
      expect(result).toMatchObject({ stdout: 'web\n', stderr: '', exitCode: 0 });
    }
    await plain.close();
    await safe.close();
  },
);
