import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SbxError } from '../../protocol/errors.ts';

/** Where the driver keeps its files under the state directory. */
export interface StateLayout {
  readonly stateDir: string;
  /** The runtime's own state. */
  readonly runtimeRoot: string;
  /** One directory a sandbox: its bundle and its root. */
  readonly sandboxes: string;
  /** One directory a sandbox: the writable layers over this machine's directories. */
  readonly layers: string;
  /** What sandboxes share: the prepared `/etc`. */
  readonly base: string;
  /** The files of execs that are just being started. */
  readonly starting: string;
  readonly holderRecord: string;
  readonly runtimeChoice: string;
}

function toStateLayout(stateDir: string): StateLayout {
  return {
    stateDir,
    runtimeRoot: join(stateDir, 'run'),
    sandboxes: join(stateDir, 'sandboxes'),
    layers: join(stateDir, 'layers'),
    base: join(stateDir, 'base'),
    starting: join(stateDir, 'starting'),
    holderRecord: join(stateDir, 'holder.json'),
    runtimeChoice: join(stateDir, 'runtime.json'),
  };
}

/** Makes the directories, all of them private, and clears what a daemon that died has left of starts. */
export function prepareStateLayout(stateDir: string): StateLayout {
  if (/[,:\\\s]/.test(stateDir)) {
    // The options of an overlay mount are separated by them, and the warden's words by space.
    throw new SbxError('state_dir_unusable', `Cannot use ${stateDir}: its path has a space or one of , : \\`);
  }
  const layout = toStateLayout(stateDir);
  rmSync(layout.starting, { recursive: true, force: true });
  const { runtimeRoot, sandboxes, layers, base, starting } = layout;
  for (const path of [stateDir, runtimeRoot, sandboxes, layers, base, starting]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, 0o700);
  }
  return layout;
}

export function hasSandboxes(layout: StateLayout): boolean {
  return readdirSync(layout.sandboxes).length > 0;
}
