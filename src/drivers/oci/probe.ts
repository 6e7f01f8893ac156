import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { unmount } from '../../posix/mount-namespace.ts';
import { findDelegation } from './cgroups.ts';
import { findInit } from './host-parts.ts';
import { endHolder, joinHolder } from './holder.ts';
import { readIdMap } from './id-map.ts';
import type { OciDriverOptions } from './open-driver.ts';
import { findRuntimes, readRuntimeVersion, type RuntimeCandidate } from './runtime-search.ts';
import { tryRuntime, type TrialOptions } from './runtime-trial.ts';
import { prepareStateLayout } from './state-layout.ts';

/** What `sbx doctor` says of a runtime. */
export interface RuntimeReport {
  readonly name: string;
  readonly path: string | undefined;
  readonly version: string | undefined;
  /** True when a throw-away sandbox was made, used and removed with it. */
  readonly works: boolean;
  /** Why it does not work. */
  readonly reason: string | undefined;
  /** Whether its sandboxes get a user namespace of their own. */
  readonly userNamespace: boolean;
  /** Whether they get a cgroup of their own. */
  readonly inCgroup: boolean;
}

export interface ProbeReport {
  /** The path of a static init, which every sandbox needs. */
  readonly init: string | undefined;
  readonly runtimes: readonly RuntimeReport[];
  /** How many users sandboxes can have. */
  readonly ids: number;
}

/**
 * Tries each runtime, or the one asked for, with a throw-away sandbox in a directory of its own under the state
 * directory, so that no daemon is disturbed. Moves the main thread of this process into a mount namespace.
 */
export async function probeRuntimes(options: OciDriverOptions): Promise<ProbeReport> {
  const stateDir = join(options.stateDir, `probe-${randomUUID()}`);
  const init = findInit();
  const runtimes: RuntimeReport[] = [];
  const layout = prepareStateLayout(stateDir);
  joinHolder(layout, options.log);
  try {
    for (const candidate of findRuntimes(options.runtime)) {
      runtimes.push(await probe(candidate, { layout, init, log: options.log }));
    }
  } finally {
    await endHolder(layout);
    // What is mounted there would keep it from being deleted.
    unmount(layout.layers);
    rmSync(stateDir, { recursive: true, force: true });
  }
  const ids = readIdMap().users.reduce((sum, { count }) => sum + count, 0);
  return { init, runtimes, ids };
}

interface ProbeOptions extends Omit<TrialOptions, 'init'> {
  readonly init: string | undefined;
}

async function probe({ name, path }: RuntimeCandidate, options: ProbeOptions): Promise<RuntimeReport> {
  const version = path === undefined ? undefined : await readRuntimeVersion(path);
  const about = { name, path, version };
  const failed = (reason: string): RuntimeReport => ({
    ...about,
    works: false,
    reason,
    userNamespace: false,
    inCgroup: false,
  });
  if (path === undefined) return failed('not installed');
  if (options.init === undefined) return failed('not tried: no static init (tini) is installed');
  const trial = await tryRuntime(path, { ...options, init: options.init });
  if (!trial.works) return failed(trial.reason);
  await trial.driver.abandon();
  const { userNamespace } = trial.way;
  const inCgroup = trial.way.inCgroup && findDelegation() !== 'none';
  return { ...about, works: true, reason: undefined, userNamespace, inCgroup };
}
