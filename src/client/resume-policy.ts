import { setTimeout as sleep } from 'node:timers/promises';
import { RECONNECT_GRACE_MS, TCP_RECONNECT_GRACE_MS } from '../protocol/api.ts';
import type { Transport } from './transport.ts';

/** The first pause before another attempt, and the longest, in milliseconds. */
const FIRST_MS = 25;
const LONGEST_MS = 2_000;

/** How long to try, in milliseconds, where nobody says it. */
export function toDefaultGrace({ isLocal }: Transport): number {
  return isLocal ? RECONNECT_GRACE_MS : TCP_RECONNECT_GRACE_MS;
}

export interface ResumeOptions {
  /** How long to try, from the cut on, in milliseconds; 0 is not at all. */
  readonly graceMs: number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/**
 * When to try to come back after a cut: with pauses that double up to a bound, each shortened by chance so that not all
 * clients of a server that was away come at once. An event that is heard begins it anew.
 */
export class ResumePolicy {
  readonly #options: ResumeOptions;
  #attempts = 0;
  #cutAt: number | undefined;

  constructor(options: ResumeOptions) {
    this.#options = options;
  }

  /** The server lives, and was reached. */
  reset(): void {
    this.#attempts = 0;
    this.#cutAt = undefined;
  }

  /** The pause before the next attempt, in milliseconds; undefined where the time is over. */
  next(now = performance.now()): number | undefined {
    this.#cutAt ??= now;
    const left = this.#options.graceMs - (now - this.#cutAt);
    if (left <= 0) return undefined;
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    // The last attempt is at the very end.
    return Math.min(left, longest * (0.5 + this.#options.random() / 2));
  }

  /** Waits for the next attempt; false where there is to be none. */
  async pause(signal?: AbortSignal): Promise<boolean> {
    const ms = this.next();
    if (ms === undefined || signal?.aborted) return false;
    await sleep(ms, undefined, { signal }).catch(() => undefined);
    return signal?.aborted !== true;
  }
}
