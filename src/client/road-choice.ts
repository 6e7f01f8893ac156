type Kind = 'channel' | 'http';

/** A kind of road on which so many in a row brought no event is left for the other, for as many. */
const TRIES = 2;

/**
 * Which kind of road is tried next. A channel is the better one; what stands on the way may refuse it, cut it or pass
 * nothing on, which looks like a server that is away.
 */
export class RoadChoice {
  #kind: Kind = 'channel';
  /** Roads of this kind since one brought an event. */
  #vain = 0;
  #isConfirmed = false;

  next(): Kind {
    if (this.#vain === TRIES) this.#change();
    this.#vain += 1;
    return this.#kind;
  }

  /** The road that was given last has brought an event. */
  confirm(): void {
    this.#vain = 0;
    this.#isConfirmed = true;
  }

  /**
   * The way does not let a connection be upgraded. False where one was before: then it is not the way as it was, and
   * may be so again.
   */
  refuseUpgrades(): boolean {
    if (this.#isConfirmed || this.#kind === 'http') return false;
    this.#change();
    return true;
  }

  #change(): void {
    this.#kind = this.#kind === 'channel' ? 'http' : 'channel';
    this.#vain = 0;
  }
}
