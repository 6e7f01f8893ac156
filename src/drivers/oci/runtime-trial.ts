import { SbxError } from '../../protocol/errors.ts';
import { prepareBaseEtc } from './base-etc.ts';
import { findCgroupParent } from './cgroups.ts';
import { findPause } from './host-parts.ts';
import { readIdMap } from './id-map.ts';
import { OciDriver } from './oci-driver.ts';
import { toProcessLimit } from './process-limit.ts';
import { prepareOwnDirectories } from './own-directories.ts';
import { listShared, type BaseLayers } from './root-tree.ts';
import { OciRuntime } from './runtime.ts';
import { trySandbox } from './sandbox-trial.ts';
import { hasSandboxes, type StateLayout } from './state-layout.ts';

export interface TrialOptions {
  readonly layout: StateLayout;
  readonly init: string;
  readonly log: (line: string) => void;
}

export type Trial =
  | { readonly works: true; readonly driver: OciDriver; readonly userNamespace: boolean }
  | { readonly works: false; readonly reason: string };

/** Tries a runtime with a user namespace, then without; the driver of the one that worked is the caller's to close. */
export async function tryRuntime(path: string, options: TrialOptions): Promise<Trial> {
  const reasons: string[] = [];
  for (const userNamespace of [true, false]) {
    const driver = createDriver(path, { ...options, userNamespace });
    try {
      await trySandbox(driver);
      return { works: true, driver, userNamespace };
    } catch (error) {
      await driver.abandon();
      // A full disk says nothing about the runtime.
      if (error instanceof SbxError && error.code === 'disk_full') throw error;
      reasons.push(toReason(error));
    }
  }
  return { works: false, reason: [...new Set(reasons)].join('; without a user namespace: ') };
}

export function createDriver(
  path: string,
  options: TrialOptions & { readonly userNamespace: boolean },
): OciDriver {
  const { layout, init, log, userNamespace } = options;
  const isBaseInUse = hasSandboxes(layout);
  const cgroupParent = findCgroupParent();
  let base: BaseLayers | undefined;
  return new OciDriver({
    layout,
    runtime: new OciRuntime({ path, root: layout.runtimeRoot }),
    host: {
      init,
      pause: findPause(),
      userNamespace,
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
