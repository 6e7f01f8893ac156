/** What takes turns: it does a bounded piece of its work and says how many bytes it moved and whether more is left. */
export interface TurnTaker {
  takeTurn(limit: number): { readonly bytes: number; readonly isDone: boolean };
}

/** The most that one taker moves in one turn of the event loop, and that all of them move together, in bytes. */
const ONE = 128 * 1024;
const ALL = 512 * 1024;
const QUIET = 16 * 1024;

/**
 * Fairness between the output streams of execs: what has moved little in this turn of the event loop goes at once;
 * what has moved much waits for the next turn, behind the quiet ones. So a shouting exec cannot delay a whispering one
 * by more than {@link ALL} bytes.
 */
export class Turns {
  readonly #spent = new Map<TurnTaker, number>();
  readonly #waiting = new Set<TurnTaker>();
  #total = 0;
  #immediate: NodeJS.Immediate | undefined;

  /** Gives the taker a turn now where that is fair, else soon. */
  request(taker: TurnTaker): void {
    if (this.#waiting.has(taker)) return;
    if (this.#total < ALL && (this.#spent.get(taker) ?? 0) < ONE) this.#give(taker);
    else this.#wait(taker);
  }

  /** The taker has gone. */
  forget(taker: TurnTaker): void {
    this.#waiting.delete(taker);
    this.#spent.delete(taker);
  }

  isWaiting(taker: TurnTaker): boolean {
    return this.#waiting.has(taker);
  }

  #give(taker: TurnTaker): void {
    const spent = this.#spent.get(taker) ?? 0;
    const { bytes, isDone } = taker.takeTurn(ONE - spent);
    this.#spent.set(taker, spent + bytes);
    this.#total += bytes;
    if (!isDone) this.#waiting.add(taker);
    // As long as all together have moved little, nobody has to be reminded of a new turn.
    if (this.#waiting.size > 0 || this.#total >= QUIET) this.#schedule();
  }

  #wait(taker: TurnTaker): void {
    this.#waiting.add(taker);
    this.#schedule();
  }

  #schedule(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#begin();
    });
  }

  #begin(): void {
    const quietFirst = [...this.#waiting].sort(
      (a, b) => (this.#spent.get(a) ?? 0) - (this.#spent.get(b) ?? 0),
    );
    this.#spent.clear();
    this.#waiting.clear();
    this.#total = 0;
    for (const taker of quietFirst) this.request(taker);
  }
}
