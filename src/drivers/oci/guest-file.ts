import { setImmediate as nextTurn } from 'node:timers/promises';
import { SbxError } from '../../protocol/errors.ts';
import type { ExecProcess, OutputPipe } from '../driver.ts';

const LIMIT = 1024 * 1024;
/** The program that reads is the guest's own: it may do what it likes, but not hold us up. */
const PATIENCE_MS = 5000;

/** Reads what a command of the sandbox prints of one of its own files; a file that is not there reads as empty. */
export async function readGuestFile(path: string, start: () => Promise<ExecProcess>): Promise<string> {
  const reader = await start();
  const timer = setTimeout(() => reader.kill(), PATIENCE_MS);
  const output = gather(reader.stdout, () => reader.kill());
  gather(reader.stderr, () => undefined);
  await reader.ended;
  clearTimeout(timer);
  // All it wrote lies in the pipe by now; who else holds the pipe is not waited for.
  while (reader.stdout.pendingBytes() > 0 && output.length <= LIMIT) await nextTurn();
  reader.stdout.close();
  reader.stderr.close();
  if (output.length > LIMIT) {
    throw new SbxError('bad_user', `Cannot look in ${path} of the sandbox: it is over ${LIMIT} bytes`);
  }
  return Buffer.concat(output.chunks).toString();
}

interface Gathered {
  readonly chunks: Buffer[];
  length: number;
}

function gather(pipe: OutputPipe, tooLong: () => void): Gathered {
  const gathered: Gathered = { chunks: [], length: 0 };
  pipe.open({
    data(chunk) {
      gathered.length += chunk.length;
      if (gathered.length > LIMIT) tooLong();
      else gathered.chunks.push(Buffer.from(chunk));
      return true;
    },
    end: () => undefined,
  });
  return gathered;
}
