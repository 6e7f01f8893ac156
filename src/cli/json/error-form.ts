import type { ErrorBody } from '../../protocol/errors.ts';
import { JSON_SCHEMA } from './ascii-json.ts';

/** What is printed for an error where JSON is asked for. `status` is the exit status. */
export type ErrorForm = (error: ErrorBody, status: number) => object;

/** The form of every command that has none of its own. */
export const toErrorObject: ErrorForm = (error) => ({ schema: JSON_SCHEMA, error });

/**
 * The form of errors where the words ask for JSON, also where other words are wrong; undefined where they do not.
 * For a command all of whose words are its own.
 */
export function findErrorForm(args: readonly string[]): ErrorForm | undefined {
  const end = args.indexOf('--');
  const words = end === -1 ? args : args.slice(0, end);
  return words.some((word) => word.split('=', 1)[0] === '--json') ? toErrorObject : undefined;
}
