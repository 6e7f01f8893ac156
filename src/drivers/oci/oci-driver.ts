import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SbxError } from '../../protocol/errors.ts';
import { PollWatcher } from '../../posix/poll-watcher.ts';
import type { Driver, ExecProcess, ExecSpec, SandboxSpec } from '../driver.ts';
import { checkArguments } from './argument-limit.ts';
import { createCgroupEntry } from './cgroup-entry.ts';
import { ChildReaper } from './child-reaper.ts';
import { toDiskError } from './disk-full.ts';
import { startProcess, type ExecTools } from './exec-starter.ts';
import { readGuestFile } from './guest-file.ts';
import { endHolder } from './holder.ts';
import { requireIds, type IdMap } from './id-map.ts';
import { toProcessSettings } from './process-settings.ts';
import type { BaseLayers } from './root-tree.ts';
import type { OciRuntime } from './runtime.ts';
import { findSandboxUser, ROOT, type SandboxUser } from './sandbox-user.ts';
import { Sandboxes } from './sandboxes.ts';
import { SessionKiller } from './session-killer.ts';
import type { HostParts } from './bundle.ts';
import { hasSandboxes, type StateLayout } from './state-layout.ts';
import { Turnstile } from './turnstile.ts';
import { Warden } from './warden.ts';

/** Runtimes at work at once: more would only wait for the same processors, with descriptors and memory of their own. */
const RUNTIME_LIMIT = 8;

const DEFAULT_CWD = '/workspace';

/** crun may meet the init of a new sandbox before its namespaces can be entered. Nothing was started then. */
const JOIN_TRIES = 5;
const JOIN_PAUSE_MS = 20;

function isTooEarly(error: unknown): boolean {
  return error instanceof SbxError && error.code === 'runtime_failed' && error.message.includes('setns(');
}

export interface OciDriverParts {
  readonly layout: StateLayout;
  readonly runtime: OciRuntime;
  readonly host: HostParts;
  readonly base: () => BaseLayers;
  readonly log: (line: string) => void;
}

/** Sandboxes of this machine, made by an OCI runtime. */
export class OciDriver implements Driver {
  readonly name = 'oci';
  readonly runtime: string;
  readonly runtimePath: string;
  readonly #layout: StateLayout;
  readonly #reaper: ChildReaper = new ChildReaper(() => this.#turnstile.isIdle);
  readonly #turnstile = new Turnstile(RUNTIME_LIMIT, () => this.#reaper.reapLeftovers());
  readonly #sandboxes: Sandboxes;
  readonly #tools: ExecTools;
  readonly #ids: IdMap;
  readonly #limits: readonly object[];
  readonly #beginCgroupEntry: () => void;

  constructor({ layout, runtime, host, base, log }: OciDriverParts) {
    this.runtime = runtime.name;
    this.runtimePath = runtime.path;
    this.#layout = layout;
    this.#ids = host.ids;
    this.#limits = host.limits;
    this.#beginCgroupEntry = host.cgroupParent === undefined ? () => undefined : createCgroupEntry();
    this.#sandboxes = new Sandboxes({ layout, runtime, reaper: this.#reaper, host, base });
    this.#tools = {
      reaper: this.#reaper,
      watcher: new PollWatcher(),
      warden: new Warden(log),
      sessions: new SessionKiller(log),
      starting: layout.starting,
    };
  }

  createSandbox(spec: SandboxSpec): Promise<void> {
    return this.#turnstile.pass(() => this.#sandboxes.create(spec));
  }

  removeSandbox(id: string): Promise<void> {
    return this.#turnstile.pass(() => this.#sandboxes.remove(id));
  }

  isSandboxRunning(id: string): Promise<boolean> {
    return this.#turnstile.pass(() => this.#sandboxes.isRunning(id));
  }

  async startExec(spec: ExecSpec): Promise<ExecProcess> {
    this.#beginCgroupEntry();
    checkArguments(spec);
    const user = await this.#findUser(spec);
    requireIds(user, this.#ids);
    return this.#turnstile.pass(() => this.#start(spec, user));
  }

  async close(): Promise<void> {
    await this.abandon();
    if (!hasSandboxes(this.#layout)) await endHolder(this.#layout);
  }

  /** As `close`, but what outlives a driver stays, for the next one. */
  async abandon(): Promise<void> {
    await this.#tools.warden.close();
    await this.#reaper.close();
    this.#tools.watcher.close();
  }

  async #start(spec: ExecSpec, user: SandboxUser): Promise<ExecProcess> {
    const { hostname, ...place } = this.#sandboxes.facts(spec.sandboxId);
    const { argv, env, cwd = DEFAULT_CWD } = spec;
    const settings = toProcessSettings({ argv, env, cwd, user, hostname, limits: this.#limits });
    for (let tries = JOIN_TRIES; ; tries -= 1) {
      try {
        return await startProcess({ spec, settings, ...place }, this.#tools);
      } catch (error) {
        if (tries === 0 || !isTooEarly(error)) throw toDiskError(error, this.#layout.stateDir);
        await delay(JOIN_PAUSE_MS);
      }
    }
  }

  async #findUser({ user, sandboxId }: ExecSpec): Promise<SandboxUser> {
    if (user === undefined) return ROOT;
    return findSandboxUser(user, (path) => {
      const spec: ExecSpec = {
        id: randomUUID(),
        sandboxId,
        argv: ['cat', path],
        env: new Map(),
        cwd: '/',
        user: undefined,
        stdin: 'null',
      };
      return readGuestFile(path, () => this.#turnstile.pass(() => this.#start(spec, ROOT)));
    });
  }
}
