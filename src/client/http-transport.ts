import { SbxError } from '../protocol/errors.ts';
import { openHttpConnection } from './http-connection.ts';
import { parseServerAddress, toUnixAddress, type ServerAddress } from './server-address.ts';
import type { Transport } from './transport.ts';

/** What OpenSSL says of a certificate that may be right, but that nobody here vouches for. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/**
 * The road to the server at an address: `unix:///path/to.sock`, `http://host:port` or `https://host:port`.
 * @throws SbxError `invalid_host`
 * @example
 * const transport = createTransport('https://sandboxes.example.com');
 */
export function createTransport(address: string | ServerAddress): Transport {
  const parsed = typeof address === 'string' ? parseServerAddress(address) : address;
  return toTransport(parsed, toAddressHint);
}

/** The road to this user's daemon, on its socket. */
export function createLocalTransport(socketPath: string): Transport {
  return toTransport(toUnixAddress(socketPath), () => undefined);
}

function toTransport(address: ServerAddress, toHint: (cause: Error) => string | undefined): Transport {
  const toError = (cause: Error): SbxError => {
    const hint = toHint(cause);
    const message = `Cannot reach the server at ${address.text}: ${cause.message}`;
    return new SbxError('server_unreachable', message, { cause, ...(hint !== undefined && { hint }) });
  };
  return {
    address: address.text,
    isLocal: address.kind === 'unix',
    connect: (signal) => openHttpConnection({ address, toError, signal }),
  };
}

function toAddressHint(cause: Error): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code !== undefined && UNTRUSTED.has(code)) {
    return 'To trust its authority, set NODE_EXTRA_CA_CERTS to a file with the certificate of that';
  }
  return 'Check the address, and that an sbx server, or a proxy to one, listens there';
}
