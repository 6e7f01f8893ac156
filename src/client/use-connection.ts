import type { Connection, Transport } from './transport.ts';

/**
 * Uses one connection, and closes it. Where `signal` aborts, what is under way on it fails: a server that is silent would
 * keep it for ever.
 */
export async function useConnection<T>(
  transport: Transport,
  use: (connection: Connection) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const connection = await transport.connect(signal);
  const close = (): void => {
    connection.close();
  };
  signal?.addEventListener('abort', close);
  try {
    signal?.throwIfAborted();
    return await use(connection);
  } finally {
    signal?.removeEventListener('abort', close);
    close();
  }
}
