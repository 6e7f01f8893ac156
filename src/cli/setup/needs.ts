import { SbxError } from '../../protocol/errors.ts';

/** What sandboxes are made with on this machine, as far as it is there. */
export interface Parts {
  /** The runtimes that would be tried, the preferred one first. */
  readonly runtimes: readonly { readonly name: string; readonly path: string | undefined }[];
  /** A static init. */
  readonly init: string | undefined;
  readonly sleep: string | undefined;
  /** Of what a plain user's sandboxes need besides. */
  readonly missingNamespaceTools: readonly string[];
}

/** Something that a package of this machine can bring. */
export type Need = 'crun' | 'runc' | 'init' | 'sleep' | 'namespaces';

const WORDS: Readonly<Record<Need, string>> = {
  crun: 'the OCI runtime crun',
  runc: 'the OCI runtime runc',
  init: 'a static init (tini)',
  sleep: 'the program sleep',
  namespaces: 'the programs unshare and nsenter',
};

/**
 * What is missing for a first sandbox. One runtime is enough, and it is the preferred one that is asked for.
 * @throws SbxError `setup_failed` for a runtime that was chosen and that no package is known to bring
 */
export function findNeeds({ runtimes, init, sleep, missingNamespaceTools }: Parts): Need[] {
  const needs: Need[] = [];
  if (runtimes.every(({ path }) => path === undefined))
    needs.push(toRuntimeNeed(runtimes[0]?.name ?? 'crun'));
  if (init === undefined) needs.push('init');
  if (sleep === undefined) needs.push('sleep');
  if (missingNamespaceTools.length > 0) needs.push('namespaces');
  return needs;
}

/** Another runtime that could be installed where the one that is there does not work. */
export function findOtherRuntime({ runtimes }: Parts): Need | undefined {
  return runtimes.filter(({ path }) => path === undefined).map(({ name }) => toRuntimeNeed(name))[0];
}

/** For people: `the OCI runtime crun and a static init (tini)`. */
export function formatNeeds(needs: readonly Need[]): string {
  const words = needs.map((need) => WORDS[need]);
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

function toRuntimeNeed(name: string): Need {
  if (name === 'crun' || name === 'runc') return name;
  throw new SbxError('setup_failed', `The runtime ${name} that SBX_RUNTIME asks for is not here`, {
    hint: 'sbx setup installs crun or runc: install the other yourself, or unset SBX_RUNTIME',
  });
}
