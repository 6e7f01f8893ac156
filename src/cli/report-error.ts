import { SBX_FAILED } from '../protocol/exit.ts';
import { SbxError } from '../protocol/errors.ts';
import type { Context } from './context.ts';

/** The one place that prints errors. Gives the exit status. A bug shows its stack. */
export function reportError(error: unknown, context: Context, { hints = true } = {}): number {
  if (error instanceof SbxError) {
    context.say(error.message);
    if (hints) context.say(`hint: ${error.hint}`);
    return error.exitStatus;
  }
  context.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return SBX_FAILED;
}
