import { execa } from 'execa';
import { waitUntil } from './guests.ts';

/** Resolves when it is done: who has just ended may hold a file there for a moment more. */
export async function unmount(path: string): Promise<void> {
  await waitUntil(async () => (await execa('umount', [path], { reject: false })).exitCode === 0);
}
