import { startDetachedSurely } from '../../client/detached-start.ts';
import { parseErrorBody } from '../../protocol/errors.ts';
import type { ExecOptions } from '../commands/exec.ts';
import { printJson } from '../json/print-json.ts';
import type { RunExecTools } from './run-exec.ts';
import { toStartRequest } from './start-request.ts';

/**
 * Starts an exec that goes on without us, and prints its id.
 * @throws SbxError also why the command cannot be started
 */
export async function runDetached(
  options: ExecOptions & { readonly id: string },
  { context, openTransport }: RunExecTools,
): Promise<number> {
  const stdin = options.hasStdin ? 'pipe' : 'null';
  const start = { ...toStartRequest(options), stdin } as const;
  const { id, sandbox, error } = await startDetachedSurely(await openTransport(), start);
  const failure = parseErrorBody(error);
  if (failure !== undefined) throw failure;
  if (options.isJson) await printJson(context, { id, sandbox: sandbox.name });
  else await context.print(`${id}\n`);
  return 0;
}
