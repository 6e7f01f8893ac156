import type { SignalName } from '../protocol/exit.ts';
import type { Context } from './context.ts';

const FORWARDED = ['INT', 'TERM', 'HUP', 'QUIT', 'USR1', 'USR2'] as const satisfies readonly SignalName[];

/** This many interrupts within this time, in milliseconds, mean: now. */
const IMPATIENT = { interrupts: 3, ms: 3_000 } as const;

export interface SignalTarget {
  /** Passes the signal on to the command. */
  forward(name: SignalName): void;
  /** The user has interrupted again and again. */
  kill(): void;
}

/**
 * Gives the signals that are sent to us to the target, each time, until it is closed. What was ignored when we started
 * stays ignored: Node has taken it back to the default, which would end us.
 */
export class SignalForwarder {
  readonly #stops: (() => void)[];
  readonly #target: SignalTarget;
  #interrupts: number[] = [];

  constructor(context: Context, target: SignalTarget) {
    this.#target = target;
    this.#stops = FORWARDED.filter((name) => !context.ignoredSignals.has(name)).map((name) =>
      context.onSignal(name, () => {
        this.#take(name);
      }),
    );
    for (const name of FORWARDED) {
      if (context.ignoredSignals.has(name)) context.onSignal(name, () => undefined);
    }
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #take(name: SignalName): void {
    if (name === 'INT' && this.#isImpatient()) this.#target.kill();
    else this.#target.forward(name);
  }

  #isImpatient(): boolean {
    const now = performance.now();
    this.#interrupts = [...this.#interrupts.filter((at) => now - at <= IMPATIENT.ms), now];
    return this.#interrupts.length >= IMPATIENT.interrupts;
  }
}
