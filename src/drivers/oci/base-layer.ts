import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withGuestUmask } from './guest-umask.ts';

export interface BaseLayer {
  /** What it is of: `etc`. */
  readonly name: string;
  /** The state of this machine that it was made for. */
  readonly key: string;
  /** Makes its files in a directory that is not there yet. */
  readonly fill: (directory: string) => void;
}

/**
 * Prepares a layer that sandboxes share below their own, and returns its path under `base`. It is made once for each
 * state of this machine's files, never changed, because sandboxes that run have it mounted. What was made for earlier
 * states is removed where nobody uses it.
 */
export function prepareBaseLayer(base: string, { name, key, fill }: BaseLayer, isInUse: boolean): string {
  const target = join(base, `${name}-${key}`);
  if (existsSync(target)) return target;
  if (!isInUse) removeEarlier(base, name);
  const draft = join(base, `${name}-draft-${randomUUID()}`);
  withGuestUmask(() => {
    fill(draft);
  });
  renameSync(draft, target);
  return target;
}

function removeEarlier(base: string, name: string): void {
  const earlier = readdirSync(base).filter((entry) => entry.startsWith(`${name}-`));
  for (const entry of earlier) rmSync(join(base, entry), { recursive: true, force: true });
}
