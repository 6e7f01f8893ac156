import { SbxError } from '../../protocol/errors.ts';
import { prepareBaseEtc } from './base-etc.ts';
import { findCgroupParent, findDelegation } from './cgroups.ts';
import { findPause } from './host-parts.ts';
import { readIdMap } from './id-map.ts';
import { OciDriver } from './oci-driver.ts';
import { toProcessLimit } from './process-limit.ts';
import { prepareOwnDirectories } from './own-directories.ts';
import { listShared, type BaseLayers } from './root-tree.ts';
import type { SandboxWay } from './runtime-choice.ts';
import { OciRuntime } from './runtime.ts';
import { trySandbox } from './sandbox-trial.ts';
import { hasSandboxes, type StateLayout } from './state-layout.ts';

export interface TrialOptions {
  readonly layout: StateLayout;
  readonly init: string;
  readonly log: (line: string) => void;
}

export type Trial =
  | { readonly works: true; readonly driver: OciDriver; readonly way: SandboxWay }
  | { readonly works: false; readonly reason: string };

/** Tries a runtime in one way after another; the driver of the one that worked is the caller's to close. */
export async function tryRuntime(path: string, options: TrialOptions): Promise<Trial> {
  const reasons = new Map<string, string>();
  for (const way of listWays()) {
    const driver = createDriver(path, { ...options, way });
    try {
      await trySandbox(driver);
      return { works: true, driver, way };
    } catch (error) {
      await driver.abandon();
      // A full disk says nothing about the runtime.
      if (error instanceof SbxError && error.code === 'disk_full') throw error;
      const reason = toReason(error);
      if (!reasons.has(reason)) reasons.set(reason, reasons.size === 0 ? '' : `; ${toWords(way)}: `);
    }
  }
  return { works: false, reason: [...reasons].map(([reason, lead]) => lead + reason).join('') };
}

/** The strongest first. A cgroup that was delegated may lack what a runtime wants of it; the machine's own does not. */
function listWays(): SandboxWay[] {
  const cgroups = findDelegation() === 'delegated' ? [true, false] : [true];
  return [true, false].flatMap((userNamespace) => cgroups.map((inCgroup) => ({ userNamespace, inCgroup })));
}

function toWords({ userNamespace, inCgroup }: SandboxWay): string {
  if (inCgroup) return 'without a user namespace';
  return userNamespace ? 'without a cgroup' : 'without both';
}

export function createDriver(path: string, options: TrialOptions & { readonly way: SandboxWay }): OciDriver {
  const { layout, init, log, way } = options;
  const isBaseInUse = hasSandboxes(layout);
  const cgroupParent = way.inCgroup ? findCgroupParent() : undefined;
  let base: BaseLayers | undefined;
  return new OciDriver({
    layout,
    runtime: new OciRuntime({ path, root: layout.runtimeRoot }),
    host: {
      init,
      pause: findPause(),
      userNamespace: way.userNamespace,
      ids: readIdMap(),
      cgroupParent,
      limits: cgroupParent === undefined ? [toProcessLimit()] : [],
    },
    base: () => (base ??= prepareBase(layout, isBaseInUse)),
    log,
  });
}

function prepareBase({ base }: StateLayout, isInUse: boolean): BaseLayers {
  return {
    etc: prepareBaseEtc(base, isInUse),
    directories: prepareOwnDirectories(base, listShared(), isInUse),
  };
}

function toReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
