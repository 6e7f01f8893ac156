import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Host pids of the guests whose command line has `mark` in it. A guest has a pid namespace that is not ours, so that
 * the `sbx` that carries the same words is not one.
 */
export function findGuests(mark: string): number[] {
  const ours = readlinkSync('/proc/self/ns/pid');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes(mark) && readlinkSync(`/proc/${pid}/ns/pid`) !== ours;
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
}

/** Resolves when no guest with `mark` is left: for ends that come by themselves, and have no event for us. */
export async function waitForGuestsToEnd(mark: string): Promise<void> {
  await waitUntil(() => findGuests(mark).length === 0);
}

/** A wait for what has to come; the test's own time limit ends one that does not. */
export async function waitUntil(isReached: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isReached())) await new Promise((resolve) => setTimeout(resolve, 20));
}

let marks = 0;

/** A word that no other process of this machine has in its command line. */
export function makeMark(): string {
  marks += 1;
  return `mark-${process.pid}-${marks}`;
}
