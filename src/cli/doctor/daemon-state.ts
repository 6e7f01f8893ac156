import { setTimeout as sleep } from 'node:timers/promises';
import { readHealth } from '../../client/api.ts';
import { findDaemon, type Found } from '../../client/daemon.ts';
import type { DaemonFacts } from './facts.ts';

/** A daemon that works answers at once, also a busy one. */
const ANSWER_LIMIT_MS = 3_000;

/** Looks for this user's daemon without starting one. */
export async function findDaemonFacts(stateDir: string, uid: number): Promise<DaemonFacts> {
  // A state directory that is not ours has a line of its own.
  const found = await findDaemon({ stateDir, uid }).catch(() => undefined);
  if (found === undefined) return { state: 'absent' };
  const silent = { state: 'silent', pid: found.file.pid } as const;
  const limit = new AbortController();
  try {
    return await Promise.race([
      askHealth(found, limit.signal),
      sleep(ANSWER_LIMIT_MS, silent, { signal: limit.signal }),
    ]);
  } catch {
    return silent;
  } finally {
    limit.abort();
  }
}

async function askHealth({ transport }: Found, signal: AbortSignal): Promise<DaemonFacts> {
  const connection = await transport.connect();
  signal.addEventListener('abort', () => {
    connection.close();
  });
  const { pid, version, runtime } = await readHealth(connection);
  return { state: 'running', pid, version, runtime };
}
