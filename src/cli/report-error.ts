import { SBX_FAILED } from '../protocol/exit.ts';
import { ERRORS, SbxError, type ErrorBody } from '../protocol/errors.ts';
import type { Context } from './context.ts';
import { formatJsonLine } from './json/ascii-json.ts';

/**
 * The one place that prints errors: for people on stderr, or where JSON is asked for as an object on stdout. Gives the
 * exit status. A bug shows its stack on stderr.
 */
export async function reportError(error: unknown, context: Context, { hints = true } = {}): Promise<number> {
  if (!(await printAsJson(error, context))) sayError(error, context, hints);
  return toErrorStatus(error);
}

/** The exit status of `sbx` for an error. */
export function toErrorStatus(error: unknown): number {
  return error instanceof SbxError ? error.exitStatus : SBX_FAILED;
}

/** An error as programs get it; the stack of a bug goes to stderr. */
export function toErrorBody(error: unknown, context: Context): ErrorBody {
  if (error instanceof SbxError) return error.toBody();
  context.say(toStack(error));
  return { code: 'internal', message: String(error), hint: ERRORS.internal.hint };
}

/** False where JSON was not asked for, or cannot be written: then stderr is all that is left. */
async function printAsJson(error: unknown, context: Context): Promise<boolean> {
  if (context.errorForm === undefined) return false;
  const body = toErrorBody(error, context);
  try {
    await context.print(formatJsonLine(context.errorForm(body, toErrorStatus(error))));
    return true;
  } catch {
    return false;
  }
}

function sayError(error: unknown, context: Context, hints: boolean): void {
  if (error instanceof SbxError) {
    context.say(error.message);
    if (hints) context.say(`hint: ${error.hint}`);
  } else context.say(toStack(error));
}

/** What is shown of a bug. */
export function toStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
