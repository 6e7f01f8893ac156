/** What a session has learnt of the way to its server, for its next connection. */
export interface PathTraits {
  /** It does not let connections be upgraded: a proxy in between, or an older server. */
  refusesUpgrades: boolean;
  /** It gives the server a body only when that is whole; undefined until it was seen. */
  collectsBodies: boolean | undefined;
  /** How many bodies of stdin were refused since one was accepted. */
  refusedBodies: number;
}

/** So many in a row are no accident of one connection: no other will do better. */
export const MOST_REFUSED_BODIES = 5;
