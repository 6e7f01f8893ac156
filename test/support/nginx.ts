import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeDirectory } from './caller.ts';
import { makeCertificate, type Certificate } from './forwarder.ts';
import { OWN_ADDRESS } from './own-address.ts';

/** How nginx is set up between client and server; all of them at once in one nginx. */
export const NGINX_SETUPS = ['defaults', 'unbuffered', 'tls'] as const;
export type NginxSetup = (typeof NGINX_SETUPS)[number];

/** Every clock of nginx in `defaults` and `unbuffered`, in seconds; `tls` has nginx's own, of a minute or more. */
export const NGINX_SECONDS = 3;

/** Debian's nginx with files of its own, in front of a server on a Unix socket. */
export interface Nginx {
  /** For `--host`. */
  readonly hosts: Readonly<Record<NginxSetup, string>>;
  /** For `--host`: as `defaults`, but every body of stdin is refused. */
  readonly bodiless: string;
  /** The certificate of `tls`, which is its own authority; readable for the caller of `sbx`. */
  readonly caFile: string;
  /** What it has said about itself, errors of connections among it. */
  readLog(): string;
  /** Waits for its end, and removes its files. */
  close(): Promise<void>;
}

/** `socketPath` is that of the server; nginx itself may be there before it. */
export async function startNginx(socketPath: string): Promise<Nginx> {
  const directory = await makeDirectory('nginx-');
  const ports = await findFreePorts();
  const certificate = await makeCertificate(directory);
  await chmod(certificate.certificateFile, 0o644);
  await mkdir(join(directory, 'temp'));
  const config = join(directory, 'nginx.conf');
  await writeFile(config, formatConfig({ directory, ports, socketPath, certificate }));
  const log = join(directory, 'error.log');
  // It ends with the tests, however these do.
  const words = ['--pdeathsig', 'TERM', '/usr/sbin/nginx', '-p', directory, '-e', log, '-c', config];
  const child = spawn('setpriv', words, { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(child, 'close');
  await waitUntilListening(child, { ports: Object.values(ports), log });
  return {
    hosts: {
      defaults: `http://${OWN_ADDRESS}:${ports.defaults}`,
      unbuffered: `http://${OWN_ADDRESS}:${ports.unbuffered}`,
      tls: `https://${OWN_ADDRESS}:${ports.tls}`,
    },
    bodiless: `http://${OWN_ADDRESS}:${ports.defaults}/bodiless`,
    caFile: certificate.certificateFile,
    readLog: () => readFileSync(log, 'utf8'),
    close: async () => {
      child.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true });
    },
  };
}

type Ports = Readonly<Record<NginxSetup, number>>;

/** All of them are held until the last is known, so that no two are the same; nobody else takes them afterwards. */
async function findFreePorts(): Promise<Ports> {
  const servers = NGINX_SETUPS.map(() => createServer().listen(0, OWN_ADDRESS));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const [defaults = 0, unbuffered = 0, tls = 0] = servers.map(
    (server) => (server.address() as AddressInfo).port,
  );
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return { defaults, unbuffered, tls };
}

interface ConfigOptions {
  readonly directory: string;
  readonly ports: Ports;
  readonly socketPath: string;
  readonly certificate: Certificate;
}

function formatConfig({ directory, ports, socketPath, certificate }: ConfigOptions): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((what) => `${what}_temp_path ${directory}/temp/${what};`)
    .join('\n  ');
  const clocks = [
    'client_header_timeout',
    'client_body_timeout',
    'send_timeout',
    'keepalive_timeout',
    'proxy_connect_timeout',
    'proxy_read_timeout',
    'proxy_send_timeout',
  ]
    .map((clock) => `${clock} ${NGINX_SECONDS}s;`)
    .join('\n    ');
  return `
user root;  # as who it may use the server's socket
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log info;
events { worker_connections 768; }

http {
  ${temporary}
  access_log off;
  # What Debian's own nginx.conf says.
  sendfile on;
  tcp_nopush on;
  gzip on;

  upstream sbx { server unix:${socketPath}; }
  upstream sbx_kept { server unix:${socketPath}; keepalive 8; }

  server { # defaults
    listen ${OWN_ADDRESS}:${ports.defaults};
    ${clocks}
    location / { proxy_pass http://sbx; }
    location /bodiless/ { proxy_pass http://sbx/; }
    location ~ ^/bodiless/.*/stdin$ { return 413; }
  }

  server { # unbuffered
    listen ${OWN_ADDRESS}:${ports.unbuffered};
    ${clocks}
    location / {
      proxy_pass http://sbx_kept;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
    }
  }

  map $http_upgrade $connection_upgrade { default upgrade; "" close; }

  server { # tls
    listen ${OWN_ADDRESS}:${ports.tls} ssl;
    ssl_certificate ${certificate.certificateFile};
    ssl_certificate_key ${certificate.keyFile};
    location / {
      proxy_pass http://sbx;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
`;
}

async function waitUntilListening(
  child: ChildProcess,
  { ports, log }: { ports: readonly number[]; log: string },
): Promise<void> {
  for (const port of ports) {
    while (!(await isListening(port))) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`nginx has ended: ${readFileSync(log, 'utf8')}`);
      await delay(20);
    }
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, OWN_ADDRESS);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
