import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseWaitStatus, type Exit } from '../../protocol/exit.ts';
import { ECHILD, EINTR, errno, prctl, waitpid, WNOHANG } from '../../posix/libc.ts';
import { readProcessStat } from '../../posix/process-stat.ts';
import { toPosixError } from '../../posix/posix-error.ts';
import { isThere } from './send-signal.ts';

const PR_SET_CHILD_SUBREAPER = 36;
const LONG_MS = 2 ** 31 - 1;
const PATIENCE_MS = 2000;
/** How soon a process that is not yet ours is looked at again. */
const ADOPTION_MS = 2;

/**
 * Reaps the processes that a detaching runtime leaves to us. Each is waited for by its own pid: waiting for any
 * child would take the status of those that Node itself waits for.
 */
export class ChildReaper {
  readonly #waiting = new Map<number, Settle>();
  readonly #commands = new Set<Promise<Exit>>();
  readonly #hold = setInterval(() => undefined, LONG_MS).unref();
  readonly #isQuiet: () => boolean;
  #mayHaveLeftovers = false;
  readonly #onSignal = (): void => {
    this.#reapAll();
    this.reapLeftovers();
  };

  /** `isQuiet` tells whether no runtime is at work. */
  constructor(isQuiet: () => boolean) {
    this.#isQuiet = isQuiet;
    setSubreaper(true);
    process.on('SIGCHLD', this.#onSignal);
  }

  /**
   * Resolves with how the child ended, and keeps this process alive until then. A child that has ended before is
   * found at once: its signal is not needed.
   */
  async reap(pid: number): Promise<Exit> {
    const ended = this.reapInPassing(pid);
    this.#commands.add(ended);
    // A signal handler alone keeps no event loop alive.
    this.#hold.ref();
    try {
      return await ended;
    } finally {
      this.#commands.delete(ended);
      if (this.#commands.size === 0) this.#hold.unref();
    }
  }

  /** As `reap`, but it keeps no process alive. */
  reapInPassing(pid: number): Promise<Exit> {
    return new Promise((resolve, reject) => {
      this.#tryReap(pid, { resolve, reject });
    });
  }

  /** Says that a runtime may have left a helper of its own: crun waits for none when it makes a sandbox or fails. */
  expectLeftovers(): void {
    this.#mayHaveLeftovers = true;
  }

  /**
   * Reaps such helpers, where no runtime is at work: then a child that has never called exec(2) is one, as a command
   * that has not is known by its start, and Node's children have when `spawn` returns. To be called when the last
   * runtime has ended; a helper that ends later than that is reaped by its signal. Never throws.
   */
  reapLeftovers(): void {
    if (!this.#mayHaveLeftovers || !this.#isQuiet()) return;
    try {
      this.#mayHaveLeftovers = this.#reapLeft();
    } catch {
      // For lack of descriptors, mostly: a zombie harms nobody, and the next time is soon.
    }
  }

  /** Whether some are left that run. */
  #reapLeft(): boolean {
    const left = this.#listLeftovers();
    const running = left.filter((pid) => waitFor(pid) === undefined);
    // One that has ended leaves us its own children.
    return running.length < left.length ? this.#reapLeft() : running.length > 0;
  }

  #listLeftovers(): number[] {
    return listChildren().filter(
      (pid) => !this.#waiting.has(pid) && readProcessStat(pid)?.hasExecuted === false,
    );
  }

  /** Waits a moment for commands that have just been killed. */
  async close(): Promise<void> {
    await Promise.race([Promise.allSettled(this.#commands), delay(PATIENCE_MS, undefined, { ref: false })]);
    // A process that was itself held up meets its timer before the signal of a child.
    this.#reapAll();
    clearInterval(this.#hold);
    process.off('SIGCHLD', this.#onSignal);
    // Who reaps no more must not gather orphans.
    setSubreaper(false);
  }

  #reapAll(): void {
    for (const [pid, settle] of this.#waiting) this.#tryReap(pid, settle);
  }

  #tryReap(pid: number, settle: Settle): void {
    this.#waiting.set(pid, settle);
    try {
      const exit = waitFor(pid);
      if (exit === undefined) return;
      // No signal tells that a process has become our child.
      if (exit === 'not-ours') return void setTimeout(() => this.#retry(pid), ADOPTION_MS);
      settle.resolve(exit);
    } catch (error) {
      settle.reject(error as Error);
    }
    this.#waiting.delete(pid);
  }

  #retry(pid: number): void {
    const settle = this.#waiting.get(pid);
    if (settle !== undefined) this.#tryReap(pid, settle);
  }
}

interface Settle {
  resolve(exit: Exit): void;
  reject(error: Error): void;
}

function setSubreaper(isOn: boolean): void {
  if (prctl(PR_SET_CHILD_SUBREAPER, isOn ? 1 : 0, 0, 0, 0) !== 0) throw toPosixError('prctl', errno());
}

function listChildren(): number[] {
  const text = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/**
 * Undefined while the child runs. A detached process is for a moment still the child of the runtime's own helper, which
 * is about to end and leave it to us: `not-ours`. Throws where there is no such process: somebody else reaped it.
 */
function waitFor(pid: number): Exit | 'not-ours' | undefined {
  const status: [number] = [0];
  for (;;) {
    const reaped = waitpid(pid, status, WNOHANG);
    if (reaped === pid) return parseWaitStatus(status[0]);
    if (reaped === 0) return undefined;
    const why = errno();
    if (why === ECHILD && isThere(pid)) return 'not-ours';
    if (why !== EINTR) throw toPosixError('waitpid', why);
  }
}
