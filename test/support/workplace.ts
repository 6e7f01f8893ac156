import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory on this machine in which the programs of a test work. */
export interface Workplace {
  readonly path: string;
  /** A name that nothing in it has. */
  makeName(): string;
  close(): Promise<void>;
}

export async function openWorkplace(): Promise<Workplace> {
  const path = await mkdtemp(join(tmpdir(), 'workplace-'));
  let names = 0;
  return {
    path,
    makeName: () => {
      names += 1;
      return `name-${names}`;
    },
    close: () => rm(path, { recursive: true, force: true }),
  };
}
