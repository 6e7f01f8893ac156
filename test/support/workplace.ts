import { rm } from 'node:fs/promises';
import { makeDirectory } from './caller.ts';

/** A directory on this machine in which the programs of a test work. */
export interface Workplace {
  readonly path: string;
  /** A name that nothing in it has. */
  makeName(): string;
  close(): Promise<void>;
}

export async function openWorkplace(): Promise<Workplace> {
  const path = await makeDirectory('workplace-');
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
