import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecRecord, StartExecRequest } from '../protocol/api.ts';
import { SbxError, type ErrorCode } from '../protocol/errors.ts';
import { inspectExec, startDetached } from './api.ts';
import { ResumePolicy, toDefaultGrace } from './resume-policy.ts';
import type { Connection, Transport } from './transport.ts';
import { useConnection } from './use-connection.ts';

export type DetachedStart = Omit<StartExecRequest, 'detached' | 'client' | 'window'>;

/** How long a command that another request starts is left alone, in milliseconds. */
const STARTING_MS = 25;

/**
 * Starts an exec that has no owner client, over one connection after another: where an answer is lost the same request is
 * sent again, which starts nothing twice.
 * @throws SbxError what the server refuses; `server_unreachable`, with the id where the exec may run all the same
 */
export async function startDetachedSurely(transport: Transport, start: DetachedStart): Promise<ExecRecord> {
  const policy = new ResumePolicy({ graceMs: toDefaultGrace(transport), random: Math.random });
  let requests = 0;
  const ask = (connection: Connection): Promise<ExecRecord> => {
    requests += 1;
    return requests > 1 ? startAgain(connection, start) : startDetached(connection, start);
  };
  for (;;) {
    try {
      return await useConnection(transport, ask);
    } catch (error) {
      const isCut = requests > 0 && isOf(error, 'server_unreachable');
      if (!isCut || transport.isServerGone?.() === true) throw error;
      if (!(await policy.pause())) throw toUnanswered(error as SbxError, start.id);
    }
  }
}

/** The first request may have started it, and its command may have ended since. */
async function startAgain(connection: Connection, start: DetachedStart): Promise<ExecRecord> {
  let record = await startDetached(connection, start).catch((error: unknown) => {
    if (isOf(error, 'exec_exists')) return inspectExec(connection, start.id);
    throw error;
  });
  while (record.state === 'created') {
    await sleep(STARTING_MS);
    record = await inspectExec(connection, start.id);
  }
  return record;
}

function isOf(error: unknown, code: ErrorCode): boolean {
  return error instanceof SbxError && error.code === code;
}

function toUnanswered(cause: SbxError, id: string): SbxError {
  const hint = `The command may run all the same. Ask for it with: sbx wait ${id}`;
  return new SbxError(cause.code, cause.message, { cause, hint });
}
