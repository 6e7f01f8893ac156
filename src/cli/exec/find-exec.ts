import { inspectExec } from '../../client/api.ts';
import type { Transport } from '../../client/transport.ts';
import { useConnection } from '../../client/use-connection.ts';
import type { ExecRecord } from '../../protocol/api.ts';
import { parseExecId } from '../../protocol/names.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import type { HostFlag } from '../options/host.ts';

/** An exec that is there, and the road to its server. */
export interface FoundExec {
  readonly transport: Transport;
  readonly record: ExecRecord;
}

/**
 * Finds the exec that a whole or shortened id means, unless `signal` aborts before.
 * @throws SbxError `invalid_exec_id` before anything is asked; `exec_not_found`, `exec_ambiguous`
 */
export async function findExec(
  context: Context,
  { exec, host }: HostFlag & { readonly exec: string },
  signal: AbortSignal,
): Promise<FoundExec> {
  const id = parseExecId(exec);
  const transport = await connect(context, { host }, signal);
  const record = await useConnection(transport, (connection) => inspectExec(connection, id), signal);
  return { transport, record };
}

export function hasEnded({ state }: ExecRecord): boolean {
  return state === 'exited' || state === 'failed' || state === 'lost';
}
