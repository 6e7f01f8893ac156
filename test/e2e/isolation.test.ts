import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ETC_ALLOW_LIST, ETC_WRITTEN } from '../../src/drivers/oci/etc-allow-list.ts';
import { readDaemon } from '../support/api.ts';
import { makeMark } from '../support/guests.ts';
import { CALLER, makeDirectory, toSpawnOptions } from '../support/caller.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { ORPHANS } from '../support/orphans.ts';

const home = useHome();
const sandbox = useSandbox(home);
/** A directory of this machine that everybody may read. */
let canary: string;

beforeAll(async () => {
  canary = await makeDirectory('canary-');
  await writeFile(join(canary, 'file'), 'of this machine', { mode: 0o644 });
});
afterAll(async () => {
  await rm(canary, { recursive: true });
});

async function sh(script: string, name = sandbox): Promise<string> {
  const { stdout, stderr } = await home.run(['exec', name, 'sh', '-c', script], { maxBuffer: 2 ** 28 });
  return (stdout as unknown as string) + (stderr as unknown as string);
}

/** What the sandbox makes for itself; all else is this machine's. */
const OWN = [
  '/dev/console',
  '/dev/core',
  '/dev/fd',
  '/dev/full',
  '/dev/init',
  '/dev/null',
  '/dev/pause',
  '/dev/ptmx',
  '/dev/pts/ptmx',
  '/dev/random',
  '/dev/stderr',
  '/dev/stdin',
  '/dev/stdout',
  '/dev/tty',
  '/dev/urandom',
  '/dev/zero',
  '/var/lock',
  '/var/run',
];

/** Links of a merged /usr. */
const LINKS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** Whole trees that a sandbox shares, each under a layer of its own. */
const SHARED = ['/usr/', '/opt/', ...LINKS.filter((path) => !isLink(path)).map((path) => `${path}/`)];

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function isAllowed(path: string): boolean {
  if (OWN.includes(path) || SHARED.some((tree) => path.startsWith(tree))) return true;
  if (LINKS.includes(path)) return isLink(path);
  if (!path.startsWith('/etc/')) return false;
  return ETC_WRITTEN.includes(path.slice(5)) || ETC_ALLOW_LIST.some((entry) => isBelow(path.slice(5), entry));
}

/** `java-*` is every name that begins so; an entry that is a directory stands for all below it. */
function isBelow(path: string, entry: string): boolean {
  if (entry.endsWith('*')) return path.startsWith(entry.slice(0, -1));
  return path === entry || path.startsWith(`${entry}/`);
}

/** Asks for each file itself: what is mounted on one is not in its directory's listing, which is all that find reads. */
const LIST_SPECIAL = `
import os, stat
KINDS = {stat.S_IFSOCK: 'socket', stat.S_IFIFO: 'pipe', stat.S_IFBLK: 'block device', stat.S_IFCHR: 'character device'}
found = []
for top, directories, files in os.walk('/'):
    if top == '/':
        directories.remove('proc')
    for path in (os.path.join(top, name) for name in directories + files):
        kind = KINDS.get(stat.S_IFMT(os.lstat(path).st_mode))
        if kind:
            found.append(kind + ' ' + path)
print('\\n'.join(sorted(found)))
`;

/**
 * A plain user's sandbox can replace and delete a file of this machine, but not change or move it, and not delete trees
 * that are deep.
 */
const [REPLACE, MOVE, TREE] =
  CALLER.uid === 0 ? ['chmod a+w', 'mv -t /tmp', '/usr/share/doc'] : ['rm', 'rm', '/usr/sbin'];

describe('files', () => {
  it('of this machine are those on the allow-list, and no others', async () => {
    const list = await sh(
      "find / 2>/dev/null -path /proc -prune -o ! -type d -print | grep -v '^/usr/\\|^/opt/'",
    );
    const paths = list.trim().split('\n');
    expect(paths.length).toBeGreaterThan(OWN.length);
    expect(paths.filter((path) => !isAllowed(path))).toEqual([]);
  });

  it('under the shared trees are the ones of this machine', async () => {
    const [inside, outside] = await Promise.all([
      sh('find /usr /opt ! -type d 2>&1 | LC_ALL=C sort | sha256sum'),
      runHere('find /usr /opt ! -type d 2>&1 | LC_ALL=C sort | sha256sum'),
    ]);
    expect(inside).toBe(outside);
  });

  it('of /etc that are allowed are there, and say what they say here', async () => {
    const wanted = ETC_ALLOW_LIST.filter((entry) => {
      const stats = lstatSync(join('/etc', entry), { throwIfNoEntry: false });
      return stats?.isFile() && (stats.mode & 0o004) !== 0;
    });
    const paths = wanted.map((entry) => `/etc/${entry}`).join(' ');
    expect(wanted.length).toBeGreaterThan(5);
    expect(await sh(`sha256sum ${paths}`)).toBe(await runHere(`sha256sum ${paths}`));
  });

  it('that tell of the users and secrets of this machine are not there', async () => {
    const secrets =
      '/etc/shadow /etc/gshadow /etc/machine-id /etc/ssh /etc/sudoers /etc/fstab /etc/environment';
    expect(await sh(`ls -d ${secrets} 2>/dev/null`)).toBe('');
    expect(await sh('cat /etc/passwd | cut -d: -f1 | tr "\\n" " "')).toBe(
      'root daemon bin sys man mail www-data _apt nobody ',
    );
  });

  it('of other directories are not there: homes, /tmp, /var, and the state of sbx', async () => {
    const { socket } = readDaemon(home);
    for (const path of [canary, home.stateDir, socket, '/sys/kernel', '/boot', '/media'])
      expect(await sh(`ls -d ${path} 2>&1`)).toMatch(/No such file/);
    expect(
      await sh('find /root /home /tmp /var/tmp /workspace /srv /mnt /run -mindepth 1 ! -path /run/lock'),
    ).toBe('');
  });

  it('hold no socket to talk to, and no device but the harmless ones', async () => {
    const { stdout } = await home.run(['exec', sandbox, 'python3', '-c', LIST_SPECIAL]);
    expect((stdout as unknown as string).trim().split('\n')).toEqual([
      'character device /dev/full',
      'character device /dev/null',
      'character device /dev/pts/ptmx',
      'character device /dev/random',
      'character device /dev/tty',
      'character device /dev/urandom',
      'character device /dev/zero',
    ]);
  });

  it('of this machine cannot be written: what is changed inside is changed for the sandbox alone', async () => {
    const mark = makeMark();
    const before = await runHere(
      `sha256sum /usr/bin/env; stat -c %a /usr/bin/env; ls -d ${TREE}; ls /opt /usr`,
    );
    const change = `set -e
      ${REPLACE} /usr/bin/env; echo '#!/bin/sh' > /usr/bin/env; chmod 777 /usr/bin/env; touch /usr/${mark} /opt/${mark} /etc/${mark}
      rm -r ${TREE}; cp /usr/bin/cat /usr/bin/${mark}; ${MOVE} /usr/bin/cat; ln -s /etc/shadow /etc/${mark}-link; cat /usr/bin/env`;
    const name = await home.createSandbox();
    expect(await sh(change.replace('; cat /usr/bin/env', `; ${mark} /usr/bin/env`), name)).toBe(
      '#!/bin/sh\n',
    );
    expect(
      await runHere(`sha256sum /usr/bin/env; stat -c %a /usr/bin/env; ls -d ${TREE}; ls /opt /usr`),
    ).toBe(before);
    expect(existsSync(`/etc/${mark}`)).toBe(false);
    expect(existsSync('/usr/bin/cat')).toBe(true);
    expect(await sh(`test -x /usr/bin/cat && test -d ${TREE} && echo whole`)).toBe('whole\n');
    await home.run(['rm', name]);
  });

  it('of the kernel cannot be written either', async () => {
    for (const path of ['/proc/sys/kernel/hostname', '/proc/sysrq-trigger', '/proc/sys/vm/drop_caches'])
      expect(await sh(`echo x > ${path}`)).toMatch(/Read-only file system|Permission denied|nonexistent/);
    expect(await sh('cat /proc/keys /proc/timer_list /proc/interrupts')).toBe('');
    expect(await sh('head -c 1 /proc/kcore 2>&1; head -c 1 /dev/mem 2>&1')).toMatch(
      /denied|not permitted|No such|^$/,
    );
  });

  it('of a guest are never opened from outside', async () => {
    const name = await home.createSandbox();
    const outside = join(canary, 'passwd');
    await writeFile(outside, 'outsider:x:4242:4242::/:/bin/sh\n', { mode: 0o644 });
    await sh(`rm /etc/passwd; ln -s ${outside} /etc/passwd`, name);
    const linked = await home.run(['exec', '-u', 'outsider', name, 'id', '-u']);
    expect(linked).toMatchObject({ stdout: '', exitCode: 126 });
    await sh('rm /etc/passwd; mkfifo /etc/passwd', name);
    expect(await home.run(['exec', '-u', 'outsider', name, 'id'])).toMatchObject({
      stdout: '',
      exitCode: 126,
    });
    expect(await home.run(['exec', name, 'echo', 'hi'])).toMatchObject({ stdout: 'hi\n', exitCode: 0 });
    await home.run(['rm', name]);
  });
});

describe('processes', () => {
  it('of this machine are not seen', async () => {
    const mark = makeMark();
    const child = spawn('sleep', ['1000'], { argv0: mark, stdio: 'ignore' });
    await once(child, 'spawn');
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).toContain(mark);
    // The shell's own words are split, so that it does not find itself.
    const find = `m=${mark.slice(0, 3)}; grep -ls -e "\${m}${mark.slice(3)}" /proc/[0-9]*/cmdline`;
    expect(await sh(find)).toBe('');
    // One process at a time: of a pipeline some may not have become what they will be.
    const names = await sh('names=$(cat /proc/[0-9]*/comm 2>/dev/null); echo "$names"');
    expect([...new Set(names.trim().split('\n'))].sort()).toEqual(['cat', 'init', 'pause', 'sh']);
    child.kill();
  });

  it('of this machine cannot be signalled', async () => {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    await once(child, 'spawn');
    expect(await sh(`kill -0 ${child.pid} 2>&1`)).toMatch(/No such process/);
    expect(await sh(`kill -KILL ${readDaemon(home).pid} 2>&1`)).toMatch(/No such process/);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    child.kill();
  });

  it('of this machine live on when a guest kills all that it can see', async () => {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    await once(child, 'spawn');
    const { pid } = readDaemon(home);
    const { exitCode } = await home.run([
      'exec',
      '--',
      'python3',
      '-c',
      'import os; os.kill(-1, 9); os.kill(os.getpid(), 9)',
    ]);
    expect(exitCode).toBe(137);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    expect(await home.run(['exec', sandbox, 'echo', 'hi'])).toMatchObject({ stdout: 'hi\n', exitCode: 0 });
    expect(readDaemon(home).pid).toBe(pid);
    child.kill();
  });

  it('have the init as their first, which reaps what nobody waits for', async () => {
    expect(await sh("tr '\\0' ' ' < /proc/1/cmdline")).toMatch(/^\/dev\/init -s -- \S+ infinity $/);
    expect(await sh(ORPHANS)).toBe('reaped\n');
  });

  it('of other sandboxes are not seen', async () => {
    const name = await home.createSandbox();
    await sh('sleep 1000 >/dev/null 2>&1 &', name);
    // The shell may not yet have become it.
    expect(await sh('until pgrep -x sleep; do :; done', name)).toMatch(/^\d+\n$/);
    expect(await sh('pgrep -x sleep')).toBe('');
    await home.run(['rm', name]);
  });
});

describe('powers', () => {
  const status = async (flags: string[] = []): Promise<Record<string, string>> => {
    const { stdout } = await home.run(['exec', ...flags, sandbox, 'cat', '/proc/self/status']);
    return Object.fromEntries(
      (stdout as unknown as string).split('\n').map((line) => line.split(/:\s*/, 2) as [string, string]),
    );
  };

  /** Bits of capabilities(7). */
  const CAPABILITIES = { CHOWN: 0, DAC_OVERRIDE: 1, FOWNER: 3, FSETID: 4, KILL: 5, SETGID: 6, SETUID: 7 };
  const MORE = { SETPCAP: 8, NET_BIND_SERVICE: 10, SYS_CHROOT: 18 };

  it('are few for root, and can never grow', async () => {
    const bits = [...Object.values(CAPABILITIES), ...Object.values(MORE)];
    const few = bits.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
    const { NoNewPrivs, CapBnd, CapEff, CapPrm, CapInh, CapAmb } = await status();
    expect(NoNewPrivs).toBe('1');
    expect(BigInt(`0x${CapBnd}`) & ~few).toBe(0n);
    expect(BigInt(`0x${CapPrm}`) & ~few).toBe(0n);
    expect(CapEff).toBe(CapPrm);
    expect([CapInh, CapAmb]).toEqual(['0000000000000000', '0000000000000000']);
  });

  it.each(['nobody', '1000:1000'])('are none for %s', async (user) => {
    const { NoNewPrivs, CapEff, CapPrm, CapAmb } = await status(['-u', user]);
    expect({ NoNewPrivs, CapEff, CapPrm, CapAmb }).toEqual({
      NoNewPrivs: '1',
      CapEff: '0000000000000000',
      CapPrm: '0000000000000000',
      CapAmb: '0000000000000000',
    });
  });

  it.each([
    { what: 'mount', script: 'mount -t tmpfs none /mnt' },
    { what: 'make a device', script: 'mknod /tmp/disk b 8 0' },
    { what: 'load a module', script: 'insmod /tmp/none.ko' },
    { what: 'set the clock', script: 'date -s @0' },
    { what: 'rename this machine', script: 'hostname other' },
    { what: 'uncover what is masked', script: 'umount /proc/keys' },
    { what: 'uncover it in a user namespace', script: 'unshare -Urm umount /proc/keys' },
    { what: 'mount a /proc of its own', script: 'unshare -Urmpf mount -t proc proc /proc' },
    { what: 'make /proc/sys writable', script: 'unshare -Urm mount -o remount,rw /proc/sys' },
    { what: 'enter the namespaces of the init', script: 'nsenter -t 1 -m true' },
  ])('are not enough to $what', async ({ script }) => {
    const { exitCode } = await home.run(['exec', sandbox, 'sh', '-c', script]);
    expect(exitCode).not.toBe(0);
  });

  it('do not reach the namespaces of this machine', async () => {
    for (const type of ['pid', 'mnt', 'ipc', 'uts', 'net', 'cgroup'])
      expect(await sh(`readlink /proc/self/ns/${type}`)).not.toBe(
        `${readlinkSync(`/proc/self/ns/${type}`)}\n`,
      );
    expect(await sh('hostname')).toBe(`${sandbox}\n`);
    expect(hostname()).not.toBe(sandbox);
  });

  it('do not reach the environment of the caller', async () => {
    const env = { ...home.env, SBX_TEST_SECRET: 'secret' };
    const { stdout } = await home.run(
      ['exec', sandbox, 'sh', '-c', 'cat /proc/[0-9]*/environ | tr "\\0" "\\n"'],
      { env },
    );
    expect(stdout).not.toContain('secret');
    expect(stdout).not.toContain('SBX_');
  });

  it('end where the limit of processes is reached', async () => {
    const own = await sh('grep "^Max processes" /proc/self/limits');
    // A plain user has no cgroup here: a resource limit does it, for each sandbox.
    if (CALLER.uid !== 0) {
      expect(own).toMatch(/^Max processes +4096 +4096 /);
      return;
    }
    const { stdout } = await home.run(['inspect', sandbox]);
    const { id } = JSON.parse(stdout as unknown as string) as { id: string };
    const [found] = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup']
      .map((root) => join(root, `sbx-${id}`, 'pids.max'))
      .filter((path) => existsSync(path));
    expect(found && readFileSync(found, 'utf8')).toBe('4096\n');
  });
});

describe('the network', () => {
  let server: Server;
  let port: number;

  beforeAll(async () => {
    server = createServer((socket) => socket.end('of this machine'));
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => server.close());

  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address }) => address);

  const connect = (host: string) => [
    'python3',
    '-c',
    `import socket; print(socket.create_connection(('${host}', ${port}), 5).recv(99).decode())`,
  ];

  it.each(addresses)('of this machine is not reached at %s', async (address) => {
    const { stdout, exitCode } = await home.run(['exec', sandbox, ...connect(address)]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 1 });
  });

  it.each(addresses)('of this machine is reached at %s with --network host', async (address) => {
    const { stdout, stderr } = await home.run(['exec', '--network', 'host', '--', ...connect(address)]);
    expect({ stdout, stderr }).toEqual({ stdout: 'of this machine\n', stderr: '' });
  });

  it('is a loopback and nothing else', async () => {
    expect(await sh("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '")).toBe('lo\n');
    expect(await sh('cat /proc/net/unix | tail -n +2')).toBe('');
    expect(await sh('test -e /etc/resolv.conf || echo none')).toBe('none\n');
  });

  it('has a loopback that works, by number and by name', async () => {
    const script = `
import socket
for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET, 'localhost'), (socket.AF_INET, socket.gethostname())):
    server = socket.socket(family)
    server.bind((host, 0))
    server.listen()
    socket.create_connection(server.getsockname()[:2]).close()
print('ok')
`;
    const { stdout, stderr } = await home.run(['exec', sandbox, 'python3', '-c', script]);
    expect({ stdout, stderr }).toEqual({ stdout: 'ok\n', stderr: '' });
  });

  it('of one sandbox is not that of another', async () => {
    const name = await home.createSandbox();
    await sh('cd /tmp && (python3 -m http.server 8080 >/dev/null 2>&1 &)', name);
    const probe =
      'python3 -c "import socket; socket.create_connection((\'127.0.0.1\', 8080), 5)" 2>/dev/null';
    expect(await sh(`until ${probe}; do sleep .05; done; echo up`, name)).toBe('up\n');
    expect(await sh(`${probe} || echo unreachable`)).toBe('unreachable\n');
    await home.run(['rm', name]);
  });

  it('shared with this machine comes with its names, and still not with its sockets', async () => {
    const name = await home.createSandbox('--network', 'host');
    expect(await sh('cat /etc/resolv.conf', name)).toBe(readFileSync('/etc/resolv.conf', 'utf8'));
    const { stdout } = await home.run(['exec', name, 'python3', '-c', LIST_SPECIAL]);
    expect(stdout).not.toContain('socket');
    expect(await sh(`ls ${readDaemon(home).socket} 2>&1`, name)).toMatch(/No such file/);
    await home.run(['rm', name]);
  });
});

it('leaves this machine as it was: no mount in its table, no file in its trees', () => {
  expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(home.stateDir);
  expect(readdirSync('/dev')).not.toContain('init');
});

async function runHere(script: string): Promise<string> {
  const child = spawn('sh', ['-c', script], {
    ...toSpawnOptions(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = await child.stdout.toArray();
  return Buffer.concat(chunks).toString();
}
