import { SbxError } from '../protocol/errors.ts';

/** Where a server is reached. */
export type ServerAddress = UnixAddress | TcpAddress;

export interface UnixAddress {
  readonly kind: 'unix';
  /** As it is shown to people. */
  readonly text: string;
  /** An absolute path. */
  readonly path: string;
}

export interface TcpAddress {
  readonly kind: 'tcp';
  readonly text: string;
  readonly isTls: boolean;
  /** A name or a number; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** What stands before every path: `/sbx`, or nothing. */
  readonly prefix: string;
}

/** sun_path of unix(7) holds 108 bytes with its NUL. Node cuts a longer one off, and would reach another socket. */
const LONGEST_PATH = 107;

/**
 * Parses `unix:///path/to.sock`, `http://host:port` or `https://host:port`. The port may be left out (80, 443), and a
 * path behind it is put before every path of the API. `origin` says where the text was found.
 * @throws SbxError `invalid_host`
 */
export function parseServerAddress(text: string, origin?: string): ServerAddress {
  const address = /^unix:/i.test(text) ? parseUnix(text) : parseTcp(text);
  if (typeof address !== 'string') return address;
  const shown = JSON.stringify(text.replace(/\/\/[^/]*@/, '//***@'));
  const of = origin === undefined ? '' : ` of ${origin}`;
  throw new SbxError('invalid_host', `Cannot use ${shown}${of} as the address of a server: ${address}`);
}

/** The address of the server on this socket. `path` is absolute. */
export function toUnixAddress(path: string): UnixAddress {
  return { kind: 'unix', text: `unix://${path}`, path };
}

/** The address, or what is wrong with the text. */
function parseUnix(text: string): ServerAddress | string {
  const [, path] = /^unix:\/\/(\/[^\0]+)$/i.exec(text) ?? [];
  if (path === undefined) return 'a socket has an absolute path, behind unix://';
  if (Buffer.byteLength(path) > LONGEST_PATH) return `the path of a socket has ${LONGEST_PATH} bytes at most`;
  return toUnixAddress(path);
}

function parseTcp(text: string): ServerAddress | string {
  const [, scheme, authority, path] = /^([a-z][a-z\d+.-]*):\/\/([^/\\\s]*)([^\\\s]*)$/i.exec(text) ?? [];
  if (scheme === undefined || !/^https?$/i.test(scheme))
    return 'it begins with none of unix://, http://, https://';
  if (authority === undefined || authority === '') return 'it names no host';
  if (authority.includes('@')) return 'user and password have no meaning in it';
  if (/[?#]/.test(`${authority}${path}`)) return 'a query or a fragment has no meaning in it';
  const url = parseUrl(text);
  if (url === undefined) return 'its host or its port is not valid';
  const isTls = url.protocol === 'https:';
  const prefix = url.pathname.replace(/\/+$/, '');
  return {
    kind: 'tcp',
    text: `${url.origin}${prefix}`,
    isTls,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || (isTls ? 443 : 80)),
    prefix,
  };
}

function parseUrl(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return url.hostname === '' || url.port === '0' ? undefined : url;
  } catch {
    return undefined;
  }
}
