import type { Context } from './context.ts';
import { reportError } from './report-error.ts';

/** Does for each word what can be done; the status is that of the first error. */
export async function doForEach(
  words: readonly string[],
  context: Context,
  act: (word: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const word of words) {
    try {
      await act(word);
    } catch (error) {
      const failed = await reportError(error, context);
      status ||= failed;
    }
  }
  return status;
}
