import { writeSync } from 'node:fs';
import { SbxError } from '../../protocol/errors.ts';
import type { Descriptor } from '../context.ts';

/**
 * Writes a result to stdout, whole. A reader that has gone wants no more of it and is no error.
 * @throws SbxError `output_failed`
 */
export async function writeResult(text: string, closed: ReadonlySet<Descriptor>): Promise<void> {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      if (closed.has(1)) throw new Error('it is closed');
      rest = rest.subarray(writeSync(1, rest));
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'EPIPE') return;
      if (code !== 'EAGAIN') {
        throw new SbxError('output_failed', `Cannot write to stdout: ${message}`, {
          cause,
          hint: 'Nothing is lost but the words',
        });
      }
      // Somebody who shares the pipe made it non-blocking.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
