import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseWaitStatus, type Exit } from '../../protocol/exit.ts';
import { EINTR, errno, prctl, waitpid, WNOHANG } from '../../posix/libc.ts';
import { readProcessStat } from '../../posix/process-stat.ts';
import { toPosixError } from '../../posix/posix-error.ts';

const PR_SET_CHILD_SUBREAPER = 36;
const LONG_MS = 2 ** 31 - 1;
const SESSION_TRIES = 100;

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

  /**
   * Resolves with how the child ended, and keeps this process alive until then. A child that has ended before is
   * found at once: its signal is not needed.
   */
  async reap(pid: number): Promise<Exit> {
    // A signal handler alone keeps no event loop alive.
    const hold = setInterval(() => undefined, LONG_MS);
    try {
      return await this.reapInPassing(pid);
    } finally {
      clearInterval(hold);
    }
  }

  /** As `reap`, but nobody waits for it. */
  reapInPassing(pid: number): Promise<Exit> {
    return new Promise((resolve) => {
      const exit = waitFor(pid);
      if (exit) resolve(exit);
      else this.#waiting.set(pid, resolve);
    });
  }

  /**
   * Reaps what a runtime has left of itself: crun does not wait for its own helper when it makes a sandbox or fails.
   * The helpers are in the session of the runtime's process, and nothing else is.
   */
  async reapSession(session: number): Promise<void> {
    for (let tries = 0; tries < SESSION_TRIES; tries++) {
      const left = listChildren().filter((pid) => pid !== session && readProcessStat(pid)?.session === session);
      for (const pid of left) waitFor(pid);
      if (left.length === 0) return;
      await delay(1);
    }
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

function listChildren(): number[] {
  const text = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
  return text.trim().split(' ').map(Number);
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
