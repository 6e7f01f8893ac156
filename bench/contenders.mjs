/**
 * The ways to run a command that are compared. Each `open…` gives a contender, or a sentence that says why there is
 * none here. A contender turns a command into the argv that runs it its way; `dir` is a directory it can write to.
 */
import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { accessSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { toShell } from './clean-up.mjs';

const call = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * @typedef {object} Contender
 * @property {string} title
 * @property {string} dir a directory inside that can be written to
 * @property {(argv: string[], how?: { stdin?: boolean, stream?: boolean, options?: string[] }) => string[]} wrap
 * @property {{ rsh: string, host: string }} [remote] for programs that take a remote shell: it, and the host for it
 * @property {{ sbx: string, socket: string, records: string }} [own] of sbx alone: its program, where its daemon
 *   listens, and the directory of its records of execs
 * @property {Record<string, number>} [processes] who serves it, by name: the processes whose memory counts
 * @property {string[]} [sweep] ends the commands whose clients were killed, where they do not end by themselves
 * @property {Record<string, string>} versions
 *
 * @typedef {object} Place
 * @property {string} dir of this run, removed at its end
 * @property {Record<string, string>} env what every contender runs with; opening one may add to it
 * @property {{ announce(command: string): void }} cleanUp
 */

/** In the order in which they are shown. */
export const openers = {
  sbx: openSbx,
  docker: openDocker,
  ssh: openSsh,
  bwrap: openBwrap,
  local: openLocal,
};

/** A build of its own from the sources as they are, so that a rebuild meanwhile changes nothing under it. */
async function openSbx({ dir, env, cleanUp }) {
  const product = join(dir, 'product');
  const sources = ['bin', 'src', 'scripts', 'package.json'];
  await Promise.all(sources.map((name) => cp(join(root, name), join(product, name), { recursive: true })));
  await symlink(join(root, 'node_modules'), join(product, 'node_modules'));
  await call(process.execPath, ['scripts/build.mjs', '--no-types'], { cwd: product });

  const sbx = join(product, 'bin/sbx');
  env.SBX_STATE_DIR = join(dir, 'state');
  const words = toShell([
    'env',
    '-i',
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    sbx,
  ]);
  cleanUp.announce(`${words} rm bench; ${words} daemon stop`);
  await call(sbx, ['create', 'bench'], { env });
  const readDaemon = () => JSON.parse(readFileSync(join(env.SBX_STATE_DIR, 'daemon.json'), 'utf8'));
  const { runtime, socket } = readDaemon();
  return {
    title: 'sbx exec',
    versions: { sbx: await describeCommit(), runtime: await firstLine(runtime, ['--version']) },
    dir: '/workspace',
    remote: { rsh: toShell([sbx, 'rsh']), host: 'bench' },
    own: { sbx, socket, records: join(env.SBX_STATE_DIR, 'execs') },
    processes: {
      // A measure may start another one.
      get daemon() {
        return readDaemon().pid;
      },
    },
    wrap: (argv, { stream, options = [] } = {}) => [
      ...[sbx, 'exec', ...(stream ? ['--stream'] : []), ...options],
      ...['bench', '--', ...argv],
    ],
  };
}

async function openDocker(place) {
  const server = findProgram('dockerd');
  const client = await findDockerClient(server);
  if (client === undefined) return 'there is no docker';
  const used = await useDaemon(client, place);
  if (typeof used === 'string') return used;
  const { name, processes } = await runContainer(client, { ...place, ...used });
  const format = '{{.Server.Version}}';
  return {
    title: 'docker exec',
    versions: {
      docker: await firstLine(client, ['--version'], place.env),
      dockerd: await firstLine(client, ['version', '--format', format], place.env),
    },
    dir: '/tmp',
    processes,
    // In the container's own pid namespace: what a killed client leaves running.
    sweep: [client, 'exec', name, 'sh', '-c', 'kill -9 -1'],
    wrap: (argv, { stdin } = {}) => [client, 'exec', ...(stdin ? ['-i'] : []), name, ...argv],
  };
}

/** Of several clients the one that came with the daemon. */
async function findDockerClient(server) {
  const clients = findPrograms('docker');
  const wanted =
    server === undefined ? undefined : /version ([\d.]+)/.exec(await firstLine(server, ['--version']))?.[1];
  for (const client of clients) {
    if (wanted !== undefined && (await firstLine(client, ['--version'])).includes(wanted)) return client;
  }
  return clients[0];
}

/** The daemon that runs, or else one of our own without any network. */
async function useDaemon(client, { dir, env, cleanUp }) {
  if (await succeeds(client, ['info'], env)) return { processes: {} };
  const dockerd = findProgram('dockerd');
  if (dockerd === undefined) return 'no dockerd runs and none is installed';
  if (process.getuid?.() !== 0) return 'no dockerd runs, and only root can start one';

  const home = join(dir, 'docker');
  await mkdir(home);
  for (const trace of ['/etc/docker/key.json', '/etc/docker', '/run/docker', '/run/containerd']) {
    if (!existsSync(trace)) cleanUp.announce(`rm -rf ${trace}`);
  }
  const cgroup = `sbx-bench-${process.pid}`;
  cleanUp.announce(`find /sys/fs/cgroup -depth -type d -path '*/${cgroup}*' -exec rmdir {} +`);
  const pidFile = join(home, 'pid');
  cleanUp.announce(`umount ${join(home, 'data')} 2>/dev/null`); // dockerd binds it onto itself
  cleanUp.announce(endDaemon(pidFile));
  env.DOCKER_HOST = `unix://${join(home, 'socket')}`;
  const log = openSync(join(home, 'log'), 'a');
  const args = [
    ...['--data-root', join(home, 'data'), '--exec-root', join(home, 'exec'), '--pidfile', pidFile],
    ...['--host', env.DOCKER_HOST, '--cgroup-parent', `/${cgroup}`],
    ...['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'],
  ];
  const child = spawn(dockerd, args, { detached: true, stdio: ['ignore', log, log], env });
  child.unref();
  const isUp = await waitUntil(() => succeeds(client, ['info'], env), child);
  if (isUp) return { processes: { daemon: child.pid } };
  return `dockerd does not start: ${(await readFile(join(home, 'log'), 'utf8')).trimEnd().split('\n').at(-1)}`;
}

/** Without a registry: an image of empty directories, with this machine's /usr bound into it. */
async function runContainer(client, { dir, env, cleanUp, processes }) {
  const image = join(dir, 'image');
  const name = `sbx-bench-${process.pid}`;
  await mkdir(join(image, 'etc'), { recursive: true });
  await Promise.all(['usr', 'tmp', 'proc', 'sys', 'dev', 'root'].map((folder) => mkdir(join(image, folder))));
  const links = ['bin', 'sbin', 'lib', 'lib64'].filter((link) => existsSync(`/${link}`));
  await Promise.all(links.map((link) => symlink(`usr/${link}`, join(image, link))));
  if (existsSync('/etc/ld.so.cache')) await cp('/etc/ld.so.cache', join(image, 'etc/ld.so.cache'));

  const docker = toShell(['env', `PATH=${env.PATH}`, ...hostOf(env), client]);
  cleanUp.announce(`${docker} rmi ${name}`);
  await call('sh', ['-c', `tar -c -C ${toShell([image])} . | ${docker} import - ${name}`]);
  cleanUp.announce(`${docker} rm -f ${name}`);
  const run = [
    'run',
    '-d',
    '--name',
    name,
    '--network',
    'none',
    '-v',
    '/usr:/usr:ro',
    name,
    'sleep',
    'infinity',
  ];
  await call(client, run, { env });
  return { name, processes };
}

const hostOf = (env) => (env.DOCKER_HOST === undefined ? [] : [`DOCKER_HOST=${env.DOCKER_HOST}`]);

/** A server of our own on a free port of the loopback, with keys made for this run. */
async function openSsh({ dir, env, cleanUp }) {
  const sshd = findProgram('sshd');
  if (sshd === undefined || findProgram('ssh') === undefined) return 'there is no ssh and sshd';
  const home = join(dir, 'ssh');
  await mkdir(home, { mode: 0o700 });
  const keygen = (name) => call('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(home, name)]);
  await Promise.all([keygen('host'), keygen('user')]);
  if (process.getuid?.() === 0 && !existsSync('/run/sshd')) {
    cleanUp.announce('rmdir /run/sshd');
    await mkdir('/run/sshd', { mode: 0o755 });
  }
  const port = await findFreePort();
  const pidFile = join(home, 'pid');
  const config = [
    ...['ListenAddress 127.0.0.1', `Port ${port}`, `HostKey ${join(home, 'host')}`, `PidFile ${pidFile}`],
    ...[`AuthorizedKeysFile ${join(home, 'user.pub')}`, 'StrictModes no', 'UsePAM no', 'LogLevel ERROR'],
    ...['PermitRootLogin prohibit-password', 'PasswordAuthentication no', 'MaxStartups 200'],
  ];
  await writeFile(join(home, 'config'), `${config.join('\n')}\n`);
  cleanUp.announce(endDaemon(pidFile));
  const child = spawn(sshd, ['-D', '-e', '-f', join(home, 'config')], { detached: true, stdio: 'ignore' });
  child.unref();
  const options = ['StrictHostKeyChecking=no', `UserKnownHostsFile=${join(home, 'known')}`, 'LogLevel=ERROR'];
  const ssh = [
    ...['ssh', '-F', 'none', '-T', '-i', join(home, 'user'), '-p', String(port)],
    ...[...options, 'IdentitiesOnly=yes', 'BatchMode=yes'].flatMap((option) => ['-o', option]),
  ];
  const host = '127.0.0.1';
  const [program, ...args] = ssh;
  const isUp = await waitUntil(() => succeeds(program, [...args, host, 'true'], env), child);
  if (!isUp) return 'sshd does not start, or does not let us in';
  return {
    title: 'ssh localhost',
    versions: { ssh: await firstLine('sh', ['-c', 'ssh -V 2>&1']) },
    dir: await makeDirectory(dir, 'ssh-work'),
    remote: { rsh: toShell(ssh), host },
    wrap: (argv) => [...ssh, host, toShell(argv)],
  };
}

async function openBwrap({ dir, env }) {
  const bwrap = findProgram('bwrap');
  if (bwrap === undefined) return 'there is no bwrap';
  const work = await makeDirectory(dir, 'bwrap-work');
  const args = [
    '--unshare-all',
    '--die-with-parent',
    '--ro-bind',
    '/usr',
    '/usr',
    '--dev',
    '/dev',
    '--proc',
    '/proc',
  ];
  for (const link of ['bin', 'sbin', 'lib', 'lib64']) args.push('--symlink', `usr/${link}`, `/${link}`);
  args.push(
    '--ro-bind-try',
    '/etc/ld.so.cache',
    '/etc/ld.so.cache',
    '--bind',
    work,
    '/work',
    '--chdir',
    '/work',
  );
  const wrap = (argv) => [bwrap, ...args, '--', ...argv];
  if (!(await succeeds(bwrap, wrap(['true']).slice(1), env))) return 'bwrap cannot make its namespaces here';
  return { title: 'bwrap', versions: { bwrap: await firstLine(bwrap, ['--version']) }, dir: '/work', wrap };
}

async function openLocal({ dir }) {
  return { title: 'bare', versions: {}, dir: await makeDirectory(dir, 'local-work'), wrap: (argv) => argv };
}

/** A line of shell that ends the process of a pid file and waits until it has gone. */
function endDaemon(pidFile) {
  return `if pid=$(cat ${pidFile} 2>/dev/null); then kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; fi`;
}

async function makeDirectory(dir, name) {
  const path = join(dir, name);
  await mkdir(path);
  return path;
}

async function findFreePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Until `isReady` says so, at most 30 seconds and as long as the child lives. */
async function waitUntil(isReady, child) {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (await isReady()) return true;
    await sleep(50);
  }
  return false;
}

async function succeeds(program, args, env) {
  return call(program, args, { env }).then(
    () => true,
    () => false,
  );
}

async function firstLine(program, args, env = process.env) {
  const { stdout } = await call(program, args, { env }).catch(() => ({ stdout: '' }));
  return stdout.split('\n')[0];
}

async function describeCommit() {
  const git = ['-C', root, 'describe', '--always', '--dirty', '--exclude=*'];
  return (await firstLine('git', git)) || 'of unknown commit';
}

const findProgram = (name) => findPrograms(name)[0];

function findPrograms(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return [...new Set(folders.map((folder) => join(folder, name)))].filter((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
