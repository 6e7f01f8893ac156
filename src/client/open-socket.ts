import { Socket, type NetConnectOpts, type OnReadOpts, type SocketConstructorOpts } from 'node:net';
import type { ServerAddress } from './server-address.ts';

export interface OpenSocketOptions {
  readonly address: ServerAddress;
  /** Takes what is read, valid until the call returns. */
  readonly take: (bytes: Buffer) => void;
  /** Ends an attempt that is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** An address where nobody answers, not even with a refusal, is given up after this time, in milliseconds. */
const CONNECT_LIMIT_MS = 10_000;

/**
 * A name with several addresses: the next is tried when one has not answered for this long, in milliseconds. Node's own
 * 250 ms are less than what a far server needs for an honest answer.
 */
const ATTEMPT_MS = 2_000;

/** How long a connection is silent before the kernel asks the peer whether it is still there, in milliseconds. */
const KEEP_ALIVE_MS = 30_000;

/** What may wait in the socket while more of an upload is read, in bytes. */
const QUEUED = 256 * 1024;

/** One buffer for what all connections read: each read is parsed before the next. */
const readBuffer = Buffer.allocUnsafeSlow(128 * 1024);

/**
 * A socket that is connected, with TLS where the address asks for it. Its errors after that are its user's to hear.
 * @throws Error of the system or of TLS, or that of our own limit
 */
export async function openSocket({ address, take, signal }: OpenSocketOptions): Promise<Socket> {
  const onread: OnReadOpts = {
    buffer: readBuffer,
    callback: (length) => {
      take(readBuffer.subarray(0, length));
      return true;
    },
  };
  if (address.kind === 'unix') return connected(startPlain({ path: address.path }, onread), { signal });
  const { host, port, isTls } = address;
  const target = { host, port, autoSelectFamilyAttemptTimeout: ATTEMPT_MS };
  if (!isTls) return tune(await connected(startPlain(target, onread), { signal }));
  // Loaded where it is needed: TLS is milliseconds of a start.
  const { startTls } = await import('./tls-socket.ts');
  const socket = startTls({ ...target, onread, highWaterMark: QUEUED });
  return tune(await connected(socket, { signal, event: 'secureConnect' }));
}

/** The name under which a server is asked for, in the header `host`. */
export function toHostHeader(address: ServerAddress): string {
  return address.kind === 'unix' ? 'localhost' : new URL(address.text).host;
}

function startPlain(target: NetConnectOpts, onread: OnReadOpts): Socket {
  return new Socket({ onread, writableHighWaterMark: QUEUED } as SocketConstructorOpts).connect(target);
}

/** Small writes go at once, and a peer that has vanished is found out. */
function tune(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
}

interface Waiting {
  readonly signal?: AbortSignal | undefined;
  readonly event?: 'connect' | 'secureConnect';
}

/** Waits until it is connected; a socket that will not be is destroyed. */
function connected(socket: Socket, { signal, event = 'connect' }: Waiting): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (why: Error): void => {
      settle();
      socket.destroy();
      reject(why);
    };
    const succeed = (): void => {
      settle();
      resolve(socket);
    };
    const onError = (error: Error): void => fail(toPlainError(error));
    const onClose = (): void => fail(new Error('the connection was closed at once'));
    const onAbort = (): void => fail(new Error('the attempt was given up'));
    const timer = setTimeout(() => {
      fail(new Error(`nobody answered for ${CONNECT_LIMIT_MS / 1000} s`));
    }, CONNECT_LIMIT_MS);
    const settle = (): void => {
      clearTimeout(timer);
      socket.off(event, succeed).off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
    };
    // It stays, so that no error comes between this and whoever uses the socket.
    socket.on('error', onError).once(event, succeed).once('close', onClose);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
  });
}

/** A name with several addresses fails with an error of many, which says nothing itself. */
function toPlainError(error: Error): Error {
  if (!(error instanceof AggregateError)) return error;
  const words = error.errors.map((each) => (each as Error).message);
  return new Error(words.join(', '), { cause: error });
}
