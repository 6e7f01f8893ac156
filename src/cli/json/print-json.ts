import type { Context } from '../context.ts';
import { formatJsonLine, JSON_SCHEMA } from './ascii-json.ts';

/**
 * Prints the result of a command for programs: one line, an object whose `schema` says what form it has.
 * @throws SbxError `output_failed`
 */
export function printJson(context: Context, value: Readonly<Record<string, unknown>>): Promise<void> {
  return context.print(formatJsonLine({ schema: JSON_SCHEMA, ...value }));
}
