import type { ExecOptions } from '../commands/exec.ts';
import { runPlan, type RunTools } from './exec-run.ts';
import { PlainOutput } from './plain-output.ts';
import { toStartRequest } from './start-request.ts';

/** Runs a new exec between our descriptors and the sandbox, and gives the exit status. */
export function runExec(options: ExecOptions & { readonly id: string }, tools: RunTools): Promise<number> {
  return runPlan(
    {
      opening: { start: toStartRequest(options) },
      isStreaming: options.isStreaming,
      hasStdin: options.hasStdin,
      graceMs: options.lasting.graceMs,
      openOutput: (output) => new PlainOutput(output),
    },
    tools,
  );
}
