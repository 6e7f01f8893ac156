import { isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';

/** With what its types do not know yet. */
interface TlsOptions extends ConnectionOptions {
  readonly host: string;
  readonly onread: OnReadOpts;
  readonly highWaterMark: number;
}

/** Starts a connection whose peer has to prove that it is the host it was asked for. */
export function startTls(options: TlsOptions): Socket {
  // An address is no name that a certificate could be chosen by (RFC 6066); it is checked all the same.
  const servername = isIP(options.host) === 0 ? { servername: options.host } : {};
  return connect({ ...options, ...servername, ALPNProtocols: ['http/1.1'] });
}
