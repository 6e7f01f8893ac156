import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SbxError } from '../../protocol/errors.ts';
import { HOST_PATH } from './runtime.ts';

const TRIES = 5;

/**
 * Deletes directories that guests have filled, which may take long, so not in this thread; nor in one of Node's, which
 * are not in the mount namespace of the main thread. The last writers may still be on their way out: then once more.
 */
export async function deleteTrees(...paths: string[]): Promise<void> {
  for (let tries = TRIES; ; tries--) {
    try {
      await promisify(execFile)('rm', ['-rf', '--', ...paths], { env: { PATH: HOST_PATH } });
      return;
    } catch (cause) {
      if (tries === 0)
        throw new SbxError('runtime_failed', `Cannot delete ${paths.join(' and ')}`, { cause });
    }
  }
}
