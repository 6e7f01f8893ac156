/** What a session has learnt of the way to its server, for its next connection. */
export interface PathTraits {
  /** It gives the server a body only when that is whole; undefined until it was seen. */
  collectsBodies: boolean | undefined;
  /** How many bodies of stdin were refused on the way since one was accepted. */
  refusedBodies: number;
  /** The same of small requests. */
  refusedRequests: number;
}

/** So many in a row are no accident of one connection: no other will do better. */
export const MOST_REFUSED = 5;
