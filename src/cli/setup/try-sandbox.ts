import { randomUUID } from 'node:crypto';
import { readHealth } from '../../client/api.ts';
import { findDaemon, openDaemon, stopDaemon, type DaemonOptions } from '../../client/daemon.ts';
import type { OutputTarget } from '../../client/exec-session-options.ts';
import { ExecSession } from '../../client/exec-session.ts';
import type { Transport } from '../../client/transport.ts';
import { SbxError } from '../../protocol/errors.ts';

/**
 * Runs `true` in a fresh sandbox, on the road that every exec takes, and gives the name of the runtime that did it.
 * @throws SbxError what stands in the way
 */
export async function trySandbox(options: DaemonOptions): Promise<string> {
  try {
    return await tryOnce(await openDaemon(options));
  } catch (error) {
    if (!(error instanceof SbxError) || error.code !== 'runtime_unavailable') throw error;
  }
  // A daemon that began with a runtime that has been removed since knows of no other.
  const found = await findDaemon(options);
  if (found !== undefined) await stopDaemon(found, { ifIdle: true });
  return tryOnce(await openDaemon(options));
}

async function tryOnce(transport: Transport): Promise<string> {
  const opening = { start: { id: randomUUID(), argv: ['true'] } };
  const client = randomUUID();
  const session = new ExecSession({ transport, opening, client, stdout: discard, stderr: discard });
  const { exit } = await session.run();
  if (exit === null || !('code' in exit) || exit.code !== 0) {
    throw new SbxError('setup_failed', `true ended with ${JSON.stringify(exit)} in a sandbox`);
  }
  const connection = await transport.connect();
  try {
    return (await readHealth(connection)).runtime;
  } finally {
    connection.close();
  }
}

const discard: OutputTarget = (_chunk, written) => {
  written();
};
