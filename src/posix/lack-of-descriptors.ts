import { setTimeout as delay } from 'node:timers/promises';

/** How soon to try again, in milliseconds: descriptors come back when some command or connection ends. */
export const LACK_PAUSE_MS = 20;

/** Whether this process, or the whole machine, had no descriptor left. */
export function isLackOfDescriptors(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EMFILE' || code === 'ENFILE';
}

/** Reads as soon as there is a descriptor to read with: for what must be known, however long it takes. */
export async function readWithPatience<T>(read: () => T): Promise<T> {
  for (;;) {
    try {
      return read();
    } catch (error) {
      if (!isLackOfDescriptors(error)) throw error;
    }
    await delay(LACK_PAUSE_MS);
  }
}
