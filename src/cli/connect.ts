import type { Connection, Transport } from '../client/transport.ts';
import { openDaemon, type DaemonOptions } from '../client/daemon.ts';
import { createTransport } from '../client/http-transport.ts';
import { parseServerAddress, type ServerAddress } from '../client/server-address.ts';
import { useConnection } from '../client/use-connection.ts';
import { SbxError } from '../protocol/errors.ts';
import { findStateDir } from '../state/location.ts';
import type { Context } from './context.ts';

/** Which server a command is for, as its flags say it. */
export interface ServerChoice {
  /** Undefined leaves it to `SBX_HOST`, and without that to this user's daemon. */
  readonly host?: ServerAddress | undefined;
  /** Only where this user's daemon is meant: another server chooses itself. */
  readonly runtime?: string | undefined;
}

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

/**
 * The road to the server that was chosen, which is not tried yet, or to this user's daemon, which is started at first
 * use. The signal ends the attempt to reach that one.
 * @throws SbxError `invalid_host`; `usage` for a runtime where the server is another's
 */
export async function connect(
  context: Context,
  choice: ServerChoice,
  signal?: AbortSignal,
): Promise<Transport> {
  const host = choice.host ?? readHostVariable(context);
  if (host === undefined) return openDaemon({ ...toDaemonOptions(context, choice.runtime), signal });
  if (choice.runtime !== undefined) {
    throw new SbxError('usage', `The server at ${host.text} chooses its runtime itself`, {
      hint: 'Leave out --runtime, or --host and SBX_HOST',
    });
  }
  return createTransport(host);
}

/** Uses one connection to the server, and closes it. */
export async function withConnection<T>(
  context: Context,
  choice: ServerChoice,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const transport = await connect(context, choice);
  return useConnection(transport, use);
}

function readHostVariable({ env }: Context): ServerAddress | undefined {
  const text = env['SBX_HOST'];
  return text ? parseServerAddress(text, 'SBX_HOST') : undefined;
}
