import { parseWaitStatus, type Exit } from '../../protocol/exit.ts';
import { EINTR, errno, prctl, waitpid, WNOHANG } from '../../posix/libc.ts';
import { toPosixError } from '../../posix/posix-error.ts';

const PR_SET_CHILD_SUBREAPER = 36;

/**
 * Reaps the processes that a detaching runtime leaves to us. Each is waited for by its own pid: waiting for any
 * child would take the status of those that Node itself waits for.
 */
export class ChildReaper {
  readonly #waiting = new Map<number, (exit: Exit) => void>();
  readonly #onSignal = (): void => this.#reapAll();

  constructor() {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) !== 0) throw toPosixError('prctl', errno());
    process.on('SIGCHLD', this.#onSignal);
  }

  /** Resolves with how the child ended. A child that has ended before is found at once; its signal is not needed. */
  reap(pid: number): Promise<Exit> {
    return new Promise((resolve) => {
      const exit = waitFor(pid);
      if (exit) resolve(exit);
      else this.#waiting.set(pid, resolve);
    });
  }

  close(): void {
    process.off('SIGCHLD', this.#onSignal);
    this.#waiting.clear();
  }

  #reapAll(): void {
    for (const [pid, resolve] of this.#waiting) {
      const exit = waitFor(pid);
      if (exit === undefined) continue;
      this.#waiting.delete(pid);
      resolve(exit);
    }
  }
}

/** Undefined while the child runs; throws if it is no child of this process. */
function waitFor(pid: number): Exit | undefined {
  const status: [number] = [0];
  for (;;) {
    const reaped = waitpid(pid, status, WNOHANG);
    if (reaped === pid) return parseWaitStatus(status[0]);
    if (reaped === 0) return undefined;
    if (errno() !== EINTR) throw toPosixError('waitpid', errno());
  }
}
