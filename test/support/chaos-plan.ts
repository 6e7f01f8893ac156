/** From the client to the server, or back. */
export type Direction = 'up' | 'down';

/** How a connection is cut: at once, as by a crash, or after what is on its way, as by a proxy that has had enough. */
export type CutKind = 'reset' | 'end';

/** One thing that happens to a connection when so much has passed in one direction. */
export interface Fault {
  /** Bytes in this direction since the fault before it. */
  readonly afterBytes: number;
  /** Reads in this direction since the fault before it; what is reached first counts. */
  readonly afterReads: number;
  /** Nothing passes in this direction for so long; 0 for no stall. In milliseconds. */
  readonly stallMs: number;
  /** Bytes that pass then in pieces of `pieceBytes`, each of them `pieceMs` late; 0 for none. */
  readonly crumbleBytes: number;
  readonly pieceBytes: number;
  readonly pieceMs: number;
  /** The end of the connection after all of this; none where it goes on. */
  readonly cut: CutKind | undefined;
}

export interface PlanOptions {
  readonly seed: number;
  /** The least and the most bytes between two faults; 4–512 KiB where nothing is said. */
  readonly bytes?: readonly [number, number] | undefined;
  /** The least and the most reads between two faults: for traffic in small pieces. None where nothing is said. */
  readonly reads?: readonly [number, number] | undefined;
}

const BYTES = [4 * 1024, 512 * 1024] as const;
const NEVER = [Infinity, Infinity] as const;
const STALL_MS = [50, 400] as const;
const CRUMBLE_BYTES = [1024, 16 * 1024] as const;
/** The same where traffic is small. */
const FEW_CRUMBLE_BYTES = [16, 256] as const;
const PIECE_BYTES = [1, 1500] as const;

/** Nothing special, by which the others are told. */
const GO_ON = { stallMs: 0, crumbleBytes: 0, pieceBytes: 1, pieceMs: 0, cut: undefined };

/** The faults of one direction of one connection, one after another: the same for the same seed, whatever happens. */
export function* planFaults({ seed, bytes = BYTES, reads = NEVER }: PlanOptions): Generator<Fault, never> {
  const random = createRandom(seed);
  const between = ([least, most]: readonly [number, number]): number =>
    least === Infinity ? Infinity : least + Math.floor(random() * (most - least + 1));
  while (true) {
    const when = { afterBytes: between(bytes), afterReads: between(reads) };
    const stallMs = between(STALL_MS);
    const crumbling = reads === NEVER ? CRUMBLE_BYTES : FEW_CRUMBLE_BYTES;
    const crumble = { crumbleBytes: between(crumbling), pieceBytes: between(PIECE_BYTES) };
    const cut = random() < 0.5 ? 'reset' : 'end';
    // More cuts than the rest together: they are what a run is about, and the quickest.
    const chance = random();
    if (chance < 0.6) yield { ...when, ...GO_ON, cut };
    else if (chance < 0.7) yield { ...when, ...GO_ON, stallMs, cut };
    else if (chance < 0.8) yield { ...when, ...GO_ON, ...crumble, cut };
    else if (chance < 0.87) yield { ...when, ...GO_ON, stallMs };
    else if (chance < 0.94) yield { ...when, ...GO_ON, ...crumble };
    // Few pieces, or their delays would add up to more than a run has time for.
    else yield { ...when, ...GO_ON, ...crumble, pieceBytes: 1500, pieceMs: 5 };
  }
}

/** A seed of its own for each direction of each connection of a run. */
export function toSeed(seed: number, connection: number, direction: Direction): number {
  const each = connection * 2 + (direction === 'up' ? 0 : 1);
  return (Math.imul(seed, 0x9e3779b1) ^ Math.imul(each + 1, 0x85ebca6b)) >>> 0;
}

/** Numbers from 0 to below 1, always the same for a seed: mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
