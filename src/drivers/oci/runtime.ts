import { spawn, type StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { SbxError } from '../../protocol/errors.ts';
import { spawnSession } from '../../posix/spawn.ts';
import { withGuestUmask } from './guest-umask.ts';

/** Where programs are looked for, and the PATH of what the driver starts on this machine. */
export const HOST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const ENVIRONMENT = { PATH: HOST_PATH };

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
   * Starts the runtime with descriptors for its stdio, which are the caller's to close, and gives its pid, which is the
   * caller's to reap. @throws SbxError `runtime_unavailable` for one that is not there any more
   */
  start(args: readonly string[], stdio: readonly [number, number, number]): number {
    try {
      return withGuestUmask(() =>
        spawnSession(this.path, ['--root', this.#root, ...args], { stdio, cwd: '/', env: ENVIRONMENT }),
      );
    } catch (error) {
      throw this.#toSpawnError(error);
    }
  }

  /** Runs the runtime without stdio. Resolves with its exit status once it has ended. */
  run(args: readonly string[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = this.#spawn(args, 'ignore');
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
      const options = { stdio, cwd: '/', env: ENVIRONMENT, detached: true };
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
