import type { Transport } from '../../client/transport.ts';
import type { ExecOptions } from '../commands/exec.ts';
import type { Context } from '../context.ts';
import { runPlan } from './exec-run.ts';
import { openPlainForm } from './plain-output.ts';
import { toStartRequest } from './start-request.ts';

export interface RunExecTools {
  readonly context: Context;
  readonly openTransport: (signal?: AbortSignal) => Promise<Transport>;
}

/** Runs a new exec between our descriptors and the sandbox, and gives the exit status. */
export async function runExec(
  options: ExecOptions & { readonly id: string },
  { context, openTransport }: RunExecTools,
): Promise<number> {
  // What nobody asked for is not loaded: a start would pay for it.
  const openForm = options.isJson
    ? (await import('../json/exec-form.ts')).toJsonForm(options)
    : openPlainForm;
  return runPlan(
    {
      isNew: true,
      open: async (signal) => ({
        transport: await openTransport(signal),
        opening: { start: toStartRequest(options) },
      }),
      isStreaming: options.isStreaming,
      hasStdin: options.hasStdin,
      graceMs: options.lasting.graceMs,
      openForm,
      isQuiet: options.isJson,
    },
    context,
  );
}
