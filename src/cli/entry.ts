/** What a daemon is told by the program that it was before it entered a user namespace. */
export interface Entry {
  /** The descriptor that holds the lock of the state directory. */
  readonly lock: number;
  /** Whom it serves, outside. */
  readonly uid: number;
}

export const ENTRY_VARIABLE = 'SBX_ENTRY';

export function formatEntry({ lock, uid }: Entry): string {
  return `lock=${lock} uid=${uid}`;
}

export function parseEntry(text = ''): Entry | undefined {
  const [, lock, uid] = /^lock=(\d+) uid=(\d+)$/.exec(text) ?? [];
  return lock === undefined || uid === undefined ? undefined : { lock: Number(lock), uid: Number(uid) };
}
