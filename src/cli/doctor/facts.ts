/** What was seen of a runtime when a throw-away sandbox was tried with it. */
export interface RuntimeFacts {
  readonly name: string;
  readonly path: string | undefined;
  readonly version: string | undefined;
  readonly works: boolean;
  readonly reason: string | undefined;
  readonly userNamespace: boolean;
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
  readonly freeBytes: number | undefined;
}

/** All that `sbx doctor` looks at, before any judgement. */
export interface HostFacts {
  readonly uid: number;
  readonly nodeVersion: string;
  readonly ownVersion: string;
  readonly runtimes: readonly RuntimeFacts[];
  readonly init: string | undefined;
  readonly sleep: string | undefined;
  readonly cgroups: CgroupFacts;
  readonly daemon: DaemonFacts;
  readonly stateDir: StateDirFacts;
}
