import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ETC_ALLOW_LIST, ETC_HOST_NETWORK, ETC_WRITTEN } from '../../../src/drivers/oci/etc-allow-list.ts';
import { ORPHANS } from '../../support/orphans.ts';
import { openTestBed, RUNTIMES, waitForOutput, type TestBed } from './sandboxed.ts';

describe.each(RUNTIMES)('a sandbox under %s', (runtime) => {
  let bed: TestBed;
  let web: string;
  beforeAll(async () => {
    bed = await openTestBed(runtime);
    web = await bed.createSandbox();
  });
  afterAll(() => bed.close());
  const sh = async (script: string, more = {}) => (await bed.run(web, ['sh', '-c', script], more)).stdout;
  const list = async (directory: string) => (await sh(`ls -A ${directory}`)).split('\n').filter(Boolean);

  it('has a root of its own with nothing of this machine but what is allowed', async () => {
    const merged = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].filter((name) =>
      existsSync(`/${name}`),
    );
    const own = [
      'dev',
      'etc',
      'home',
      'mnt',
      'opt',
      'proc',
      'root',
      'run',
      'srv',
      'tmp',
      'usr',
      'var',
      'workspace',
    ];
    expect((await list('/')).sort()).toEqual([...own, ...merged].sort());
    for (const empty of ['home', 'mnt', 'root', 'srv', 'workspace', 'var/lib', 'var/log', 'var/cache']) {
      expect([empty, await list(`/${empty}`)]).toEqual([empty, []]);
    }
  });

  it('sees of /etc what the allow-list names, and what everybody here may read', async () => {
    const files = (await sh('cd /etc && find . ! -type d')).split('\n').filter(Boolean);
    const allowed = [...ETC_ALLOW_LIST, ...ETC_WRITTEN];
    for (const file of files.map((path) => path.slice(2))) {
      expect(
        allowed.some((pattern) => isBelow(file, pattern)),
        file,
      ).toBe(true);
      if (ETC_WRITTEN.includes(file)) continue;
      const here = lstatSync(join('/etc', file));
      expect(here.isSymbolicLink() || (here.mode & 0o004) !== 0, file).toBe(true);
    }
    for (const secret of ['shadow', 'gshadow', 'ssh', 'ssl/private', 'sudoers', 'machine-id']) {
      expect(files.filter((file) => isBelow(file.slice(2), secret))).toEqual([]);
    }
    for (const name of ETC_HOST_NETWORK) expect(files).not.toContain(`./${name}`);
  });

  it('knows no user of this machine', async () => {
    const here = readFileSync('/etc/passwd', 'utf8').split('\n');
    const people = here.filter((line) => Number(line.split(':')[2]) >= 1000 && !line.startsWith('nobody:'));
    const inside = await sh('cat /etc/passwd /etc/group');
    for (const line of people) expect(inside).not.toContain(line.split(':')[0]);
    expect(inside).toMatch(/^root:/);
  });

  it('can write everywhere inside and changes nothing here', async () => {
    const files = [
      '/usr/bin/sbx-test',
      '/opt/sbx-test',
      '/etc/sbx-test',
      '/var/sbx-test',
      '/sbx-test',
      '/tmp/sbx-test',
    ];
    expect(await sh(files.map((file) => `echo x > ${file} && cat ${file}`).join(';'))).toBe('x\n'.repeat(6));
    for (const file of files) expect(existsSync(file), file).toBe(false);
    expect(await sh('rm /usr/bin/env /etc/services && ls /usr/bin/env 2>&1')).toContain('No such file');
    expect(existsSync('/usr/bin/env')).toBe(true);
  });

  it('shares no file with another sandbox', async () => {
    const other = await bed.createSandbox();
    await sh('touch /tmp/mine /usr/mine');
    expect((await bed.run(other, ['ls', '/tmp/mine', '/usr/mine'])).exit).toEqual({ code: 2 });
  });

  it('does not see files of this machine that are not in the allow-list', async () => {
    const secret = join(tmpdir(), `sbx-secret-${process.pid}`);
    writeFileSync(secret, 'secret');
    expect(await sh(`cat ${secret} ${bed.stateDir} 2>/dev/null; ls -d ${bed.stateDir} 2>/dev/null`)).toBe('');
    rmSync(secret);
  });

  it('does not find the state directory in its own mounts', async () => {
    // The layers are named in the options of its own overlay mounts; the paths lead nowhere inside.
    const paths = [...(await sh('cat /proc/self/mountinfo')).matchAll(/(?:upper|work)dir=([^,\s]+)/g)];
    for (const [, path] of paths) expect((await bed.run(web, ['ls', path!])).exit).toEqual({ code: 2 });
  });

  it('has its own host name, and its processes alone', async () => {
    expect(await sh('hostname; cat /etc/hostname')).toBe('web\nweb\n');
    expect(await sh('cat /proc/1/cmdline | tr "\\0" " "')).toContain('/dev/init');
    const pids = (await list('/proc')).filter((name) => /^\d+$/.test(name));
    expect(pids.length).toBeLessThan(12);
  });

  it('cannot signal a process of this machine', async () => {
    expect(await sh(`kill -0 ${process.pid} 2>&1`)).toContain('No such process');
  });

  it('keeps what runs in one exec in sight of the next, also over localhost', async () => {
    const server = await bed.start(web, ['python3', '-um', 'http.server', '--bind', '127.0.0.1', '8000']);
    await waitForOutput(server.stdout, 'Serving');
    expect(await sh('pgrep -f http.server > /dev/null && echo seen')).toBe('seen\n');
    const fetch = "import urllib.request as r; print(r.urlopen('http://localhost:8000/').status)";
    expect((await bed.run(web, ['python3', '-c', fetch])).stdout).toBe('200\n');
    server.kill();
    await server.ended;
    server.stderr.close();
    server.stdout.close();
  });

  it('reaps its orphans', async () => {
    expect(await sh(ORPHANS)).toBe('reaped\n');
  });

  it('has a network of its own: only loopback, and no way to this machine', async () => {
    expect(await sh('ls /sys/class/net 2>/dev/null; sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d " "')).toBe(
      'lo\n',
    );
    const port = await listenHere();
    for (const host of ['127.0.0.1', ...addressesHere()])
      expect(await connect(host, port.number)).toBe('refused\n');
    port.close();
  });

  it('reaches this machine when it shares its network', async () => {
    const shared = await bed.createSandbox('host');
    const port = await listenHere();
    expect(await connect('127.0.0.1', port.number, shared)).toBe('open\n');
    port.close();
    if (existsSync('/etc/resolv.conf')) {
      const { stdout } = await bed.run(shared, ['cat', '/etc/resolv.conf']);
      expect(stdout).toBe(readFileSync('/etc/resolv.conf', 'utf8'));
    }
  });

  it('cannot read or change what is masked of the kernel', async () => {
    expect(await sh('cat /proc/kcore /proc/keys /proc/interrupts 2>/dev/null | wc -c')).toBe('0\n');
    expect(await sh('echo 1 > /proc/sys/kernel/hostname 2>&1 || echo refused')).toContain('refused');
    expect(await sh('echo b > /proc/sysrq-trigger 2>&1 || echo refused')).toContain('refused');
    expect(await sh('mknod /tmp/sda b 8 0 2>&1 || echo refused')).toContain('refused');
    expect(await sh('mount -t tmpfs none /mnt 2>&1 || echo refused')).toContain('refused');
  });

  it('has a limit on its processes where a cgroup gives one', () => {
    const limit = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup']
      .map((dir) => `${dir}/sbx-${web}/pids.max`)
      .find(existsSync);
    if (limit !== undefined) expect(readFileSync(limit, 'utf8')).toBe('4096\n');
  });

  it('mounts nothing in the table of this machine', () => {
    const own = readFileSync('/proc/1/mountinfo', 'utf8');
    expect(own).not.toContain(bed.stateDir);
  });

  it('lies in directories that nobody else may enter', () => {
    for (const dir of ['', 'sandboxes', `sandboxes/${web}`, 'run', 'base']) {
      expect([dir, statSync(join(bed.stateDir, dir)).mode & 0o777]).toEqual([dir, 0o700]);
    }
  });

  it('is open to all its users, however private our own files are', async () => {
    const umask = process.umask(0o077);
    const strict = await bed.createSandbox();
    const { stdout } = await bed.run(
      strict,
      ['sh', '-c', 'umask; cat /etc/hostname; echo x > /tmp/x; ls -d /etc/ssl /dev'],
      {
        user: 'nobody',
      },
    );
    process.umask(umask);
    expect(stdout).toBe('0022\nweb\n/dev\n/etc/ssl\n');
  });

  it('leaves nothing when it is removed, also with commands in it', async () => {
    const gone = await bed.createSandbox();
    const exec = await bed.start(gone, ['sh', '-c', 'sleep 300 & wait']);
    await bed.driver.removeSandbox(gone);
    expect(await exec.ended).toEqual({ signal: 'KILL' });
    exec.stdout.close();
    exec.stderr.close();
    expect(await bed.driver.isSandboxRunning(gone)).toBe(false);
    expect(existsSync(join(bed.stateDir, 'sandboxes', gone))).toBe(false);
    expect(readdirSync(join(bed.stateDir, 'run'))).not.toContain(gone);
    // It fails where a cgroup of somebody else goes while it looks.
    const { stdout } = spawnSync('find', ['/sys/fs/cgroup', '-name', `*${gone}*`], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(gone);
    await bed.driver.removeSandbox(gone);
  });

  async function connect(host: string, port: number, sandbox = web): Promise<string> {
    const script = `import socket
s = socket.socket(socket.AF_INET6 if ':' in '${host}' else socket.AF_INET)
s.settimeout(2)
print('refused' if s.connect_ex(('${host}', ${port})) else 'open')`;
    return (await bed.run(sandbox, ['python3', '-c', script])).stdout;
  }
});

/** `java-*` covers `java-17/x`; `ssl/certs` covers itself and what is below. */
function isBelow(file: string, pattern: string): boolean {
  if (pattern.endsWith('*')) return file.startsWith(pattern.slice(0, -1));
  return file === pattern || file.startsWith(`${pattern}/`);
}

async function listenHere(): Promise<{ number: number; close(): void }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port');
  return { number: address.port, close: () => server.close() };
}

function addressesHere(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address);
}
