/** What was seen of a runtime when a throw-away sandbox was tried with it. */
export interface RuntimeFacts {
  readonly name: string;
  readonly path: string | undefined;
  readonly version: string | undefined;
  readonly works: boolean;
  readonly reason: string | undefined;
  readonly userNamespace: boolean;
  /** Whether its sandboxes get a cgroup of their own. */
  readonly inCgroup: boolean;
}

/** What decides whether a plain user can have sandboxes, and which users in them. */
export interface PlainUserFacts {
  readonly name: string;
  /** The words with which a user namespace was refused. */
  readonly refusal: string | undefined;
  /** How many users sandboxes can have; 0 where that could not be tried. */
  readonly ids: number;
  /** user.max_user_namespaces. */
  readonly limit: number | undefined;
  /** Debian's kernel.unprivileged_userns_clone is 0. */
  readonly isCloneForbidden: boolean;
  /** Ubuntu's kernel.apparmor_restrict_unprivileged_userns is 1. */
  readonly isRestrictedByAppArmor: boolean;
  readonly isFiltered: boolean;
  readonly hasNoNewPrivileges: boolean;
  readonly isContainer: boolean;
  readonly hasMappers: boolean;
  readonly hasSubordinateIds: boolean;
}

export interface CgroupFacts {
  /** `hybrid` is version 1 with version 2 mounted beside it. */
  readonly layout: '1' | '2' | 'hybrid' | 'none';
  /** Of `pids`, `memory` and `cpu`, those that can be limited here. */
  readonly limits: readonly string[];
  readonly isWritable: boolean;
}

export type DaemonFacts =
  | { readonly state: 'absent' }
  | { readonly state: 'silent'; readonly pid: number }
  | { readonly state: 'running'; readonly pid: number; readonly version: string; readonly runtime: string };

export interface StateDirFacts {
  readonly path: string;
  /** Why it cannot be used. */
  readonly problem: string | undefined;
  /** What to type about it. */
  readonly advice: string | undefined;
  readonly exists: boolean;
  /** On an overlay file system, as the root of a container: no other overlay can have its writable layer there. */
  readonly isOnOverlay: boolean;
  readonly freeBytes: number | undefined;
}

/** All that `sbx doctor` looks at, before any judgement. */
export interface HostFacts {
  readonly uid: number;
  /** Undefined for root. */
  readonly plainUser: PlainUserFacts | undefined;
  readonly nodeVersion: string;
  readonly ownVersion: string;
  readonly runtimes: readonly RuntimeFacts[];
  readonly init: string | undefined;
  readonly sleep: string | undefined;
  readonly cgroups: CgroupFacts;
  readonly daemon: DaemonFacts;
  readonly stateDir: StateDirFacts;
}
