import type { Transport } from '../../client/transport.ts';
import type { ExecOptions } from '../commands/exec.ts';
import type { Context } from '../context.ts';
import { runPlan } from './exec-run.ts';
import { PlainOutput } from './plain-output.ts';
import { toStartRequest } from './start-request.ts';

export interface RunExecTools {
  readonly context: Context;
  readonly openTransport: () => Promise<Transport>;
}

/** Runs a new exec between our descriptors and the sandbox, and gives the exit status. */
export function runExec(
  options: ExecOptions & { readonly id: string },
  { context, openTransport }: RunExecTools,
): Promise<number> {
  return runPlan(
    {
      isNew: true,
      open: async () => ({ transport: await openTransport(), opening: { start: toStartRequest(options) } }),
      isStreaming: options.isStreaming,
      hasStdin: options.hasStdin,
      graceMs: options.lasting.graceMs,
      openOutput: (output) => new PlainOutput(output),
    },
    context,
  );
}
