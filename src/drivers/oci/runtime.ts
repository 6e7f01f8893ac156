import { spawn, type StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { SbxError } from '../../protocol/errors.ts';
import { withGuestUmask } from './guest-umask.ts';

/** Where programs are looked for, and the PATH of what the driver starts on this machine. */
export const HOST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** How one call of the runtime ended, with what it printed. */
export interface RuntimeCall {
  readonly status: number;
  readonly output: string;
}

/** An OCI runtime of the `runc` command line, with a state directory of its own. */
export class OciRuntime {
  /** `crun`, `runc`… */
  readonly name: string;
  readonly path: string;
  readonly #root: string;

  constructor({ path, root }: { path: string; root: string }) {
    this.name = basename(path);
    this.path = path;
    this.#root = root;
  }

  /**
   * Runs the runtime with descriptors for its stdio, which are the caller's to close. Resolves with its exit status
   * once it has ended; a runtime that is not there any more is `runtime_unavailable`.
   */
  run(args: readonly string[], stdio: StdioOptions): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = this.#spawn(args, stdio);
      child.once('error', (error) => reject(this.#toSpawnError(error)));
      child.once('exit', (code, signal) => resolve(toStatus(code, signal)));
    });
  }

  /** Runs the runtime and gathers what it prints. Not for calls whose child keeps the descriptors. */
  call(args: readonly string[]): Promise<RuntimeCall> {
    return new Promise((resolve, reject) => {
      const child = this.#spawn(args, ['ignore', 'pipe', 'pipe']);
      const chunks: Buffer[] = [];
      child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.once('error', (error) => reject(this.#toSpawnError(error)));
      child.once('close', (code, signal) => {
        resolve({ status: toStatus(code, signal), output: Buffer.concat(chunks).toString() });
      });
    });
  }

  // A session of its own: a signal to our process group must not end a start half-way.
  #spawn(args: readonly string[], stdio: StdioOptions) {
    const all = ['--root', this.#root, ...args];
    try {
      const options = { stdio, cwd: '/', env: { PATH: HOST_PATH }, detached: true };
      return withGuestUmask(() => spawn(this.path, all, options));
    } catch (error) {
      throw this.#toSpawnError(error);
    }
  }

  #toSpawnError(cause: unknown): SbxError {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES') {
      return new SbxError('runtime_unavailable', `Cannot run ${this.path}: it is not there any more`, {
        cause,
        hint: 'Install it again with: sbx setup',
      });
    }
    return new SbxError('runtime_failed', `Cannot run ${this.path}: ${String(code ?? cause)}`, { cause });
  }
}

function toStatus(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal ? constants.signals[signal] : 0);
}
