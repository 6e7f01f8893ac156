import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { execa } from 'execa';
import { OWN_ADDRESS } from './own-address.ts';

export interface Forwarder {
  readonly port: number;
  /** The connections that have been made so far. */
  readonly connections: number;
  /** Cuts the connections that are open. */
  cut(): void;
  /** Stops listening, and cuts what is open. */
  close(): Promise<void>;
}

export interface ForwarderOptions {
  /** The Unix socket that everything goes to. */
  readonly target: string;
  /** Where to listen: 127.0.0.1 if nothing else is said. */
  readonly host?: string;
  /** Ends TLS with these, and forwards what was inside. */
  readonly certificate?: Certificate;
  /** Only connections whose first request is for something under this path; it is taken off there. */
  readonly prefix?: string;
}

export interface Certificate {
  /** PEM files. It is its own authority: clients trust it by this file. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Makes a certificate for `localhost`, 127.0.0.1, ::1 and our own address, with the openssl program. */
export async function makeCertificate(directory: string): Promise<Certificate> {
  const certificate = { certificateFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const addresses = ['127.0.0.1', '::1', OWN_ADDRESS].map((address) => `IP:${address}`);
  const alternatives = `subjectAltName=${['DNS:localhost', ...addresses].join(',')}`;
  const names = ['-subj', '/CN=localhost', '-addext', alternatives];
  const files = ['-keyout', certificate.keyFile, '-out', certificate.certificateFile];
  await execa('openssl', ['req', '-x509', ...key, ...names, '-days', '2', ...files]);
  return certificate;
}

/** Forwards connections to a Unix socket, as `ssh -L`, socat or a proxy that ends TLS do. */
export async function openForwarder(options: ForwarderOptions): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const server = listen(options, (client) => {
    connections += 1;
    const upstream = connect({ path: options.target });
    keep(client);
    keep(upstream);
    forward(client, upstream, options.prefix);
  });
  server.on('connection', keep);
  server.listen(0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    cut,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

function listen({ certificate }: ForwarderOptions, onClient: (client: Socket) => void): Server {
  if (certificate === undefined) return createServer({ noDelay: true }, onClient);
  const [cert, key] = [certificate.certificateFile, certificate.keyFile].map((file) => readFileSync(file));
  // A client that refuses the certificate is no failure of ours.
  return createTlsServer({ cert, key, noDelay: true }, onClient).on('tlsClientError', () => undefined);
}

function forward(client: Socket, upstream: Socket, prefix: string | undefined): void {
  // What was written before an end arrives before it.
  client.on('close', () => upstream.destroySoon());
  upstream.on('close', (hasFailed) => (hasFailed ? client.destroy() : client.end()));
  upstream.pipe(client);
  if (prefix === undefined) client.pipe(upstream);
  else {
    client.once('data', (first: Buffer) => {
      const line = first.toString('latin1');
      const [start, rest] = [line.slice(0, line.indexOf(' ') + 1), line.slice(line.indexOf(' ') + 1)];
      if (!rest.startsWith(`${prefix}/`))
        return void client.end('HTTP/1.1 404 Not Found\r\n\r\nno such place');
      upstream.write(Buffer.from(start + rest.slice(prefix.length), 'latin1'));
      client.pipe(upstream);
    });
  }
}
