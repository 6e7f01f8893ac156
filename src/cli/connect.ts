import type { Connection, Transport } from '../client/transport.ts';
import { openDaemon, type DaemonOptions } from '../client/daemon.ts';
import { findStateDir } from '../state/location.ts';
import type { Context } from './context.ts';

/** What this user's daemon is, and how one is started. A flag beats its variable. */
export function toDaemonOptions(context: Context, runtime?: string): DaemonOptions {
  const { env, uid, home, version, program } = context;
  return {
    stateDir: findStateDir({ env, uid, home }),
    uid,
    version,
    program: [...program, 'serve'],
    runtime: runtime ?? (env['SBX_RUNTIME'] || undefined),
  };
}

/** The road to this user's daemon, which is started at first use. */
export function connect(context: Context, runtime?: string): Promise<Transport> {
  return openDaemon(toDaemonOptions(context, runtime));
}

/** Uses one connection to the daemon, and closes it. */
export async function withConnection<T>(
  context: Context,
  options: { runtime?: string | undefined },
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const transport = await connect(context, options.runtime);
  const connection = await transport.connect();
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}
