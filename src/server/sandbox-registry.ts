import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Driver } from '../drivers/driver.ts';
import type { CreateSandboxRequest, SandboxRecord, SandboxStatus } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { makeUpName, parseSandboxName } from '../protocol/names.ts';
import { Leftovers } from './leftovers.ts';
import { readRecords, writeRecord } from './record-file.ts';

export interface SandboxRegistryOptions {
  readonly driver: Driver;
  /** Where the directories of sandboxes lie. */
  readonly directory: string;
  readonly owner: string;
  readonly log: (line: string) => void;
}

/** What is to happen to the execs of a sandbox that goes. */
export interface RemovalHooks {
  before(sandbox: SandboxRecord): void;
  after(sandbox: SandboxRecord): void;
}

/** The longest wait of one timer; a later end is waited for in steps. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Which sandboxes there are: by owner and name, or owner and id. Its records survive the daemon. */
export class SandboxRegistry {
  readonly #options: SandboxRegistryOptions;
  readonly #sandboxes = new Map<string, SandboxRecord>();
  readonly #reserved = new Set<string>();
  readonly #removals = new Map<string, Promise<void>>();
  readonly #expiries = new Map<string, NodeJS.Timeout>();
  /** What nobody is to see any more, and has yet to be removed. */
  readonly #leftovers: Leftovers;

  #isRefusing = false;
  #hooks: RemovalHooks | undefined;

  constructor(options: SandboxRegistryOptions) {
    this.#options = options;
    this.#leftovers = new Leftovers({
      remove: (id) => this.#removeLeftover(id),
      log: options.log,
    });
  }

  setRemovalHooks(hooks: RemovalHooks): void {
    this.#hooks = hooks;
  }

  get size(): number {
    return [...this.#sandboxes.keys()].filter((id) => !this.#leftovers.has(id)).length;
  }

  /** True while the daemon has to live on to remove a sandbox in time. */
  get isAwaitingExpiry(): boolean {
    return this.#expiries.size > 0 || this.#removals.size > 0 || this.#leftovers.isBusy;
  }

  /**
   * Takes over what an earlier daemon left. What it left half made, or made for an exec that died with it, is removed in
   * the background: nobody has to wait for it, nor to do without a server where it cannot be removed.
   */
  load(): void {
    for (const { name, record } of readRecords(this.#options.directory, this.#options.log)) {
      const sandbox = record as SandboxRecord | null;
      if (sandbox !== null && !sandbox.fresh) this.#add(sandbox);
      else this.#leftovers.add(name);
    }
  }

  /** @throws SbxError `sandbox_exists`, `invalid_name`, `shutting_down`, and what the driver says */
  async create(request: CreateSandboxRequest, owner: string, fresh = false): Promise<SandboxRecord> {
    if (this.#isRefusing)
      throw new SbxError('shutting_down', 'Cannot make a sandbox: the server is stopping');
    const name = this.#reserve(request.name, owner);
    const record: SandboxRecord = {
      schema: 1,
      id: randomUUID(),
      name,
      owner,
      driver: this.#options.driver.name,
      runtime: this.#options.driver.runtime,
      network: request.network ?? 'none',
      labels: request.labels ?? {},
      created: new Date().toISOString(),
      expires: request.ttl_ms === undefined ? null : new Date(Date.now() + request.ttl_ms).toISOString(),
      fresh,
    };
    try {
      await this.#make(record);
    } finally {
      this.#reserved.delete(keyOf(owner, name));
    }
    return record;
  }

  /** Also one that is being removed. */
  has(id: string): boolean {
    return this.#sandboxes.has(id);
  }

  list(owner: string): Promise<SandboxStatus[]> {
    const own = [...this.#sandboxes.values()].filter(
      (sandbox) => sandbox.owner === owner && !this.#isLeaving(sandbox),
    );
    return Promise.all(own.map((sandbox) => this.#toStatus(sandbox)));
  }

  async inspect(nameOrId: string, owner: string): Promise<SandboxStatus> {
    return this.#toStatus(this.get(nameOrId, owner));
  }

  /** @throws SbxError `sandbox_not_found`, also for another owner's */
  get(nameOrId: string, owner: string): SandboxRecord {
    for (const sandbox of this.#sandboxes.values()) {
      if (sandbox.owner !== owner || this.#isLeaving(sandbox)) continue;
      if (sandbox.name === nameOrId || sandbox.id === nameOrId) return sandbox;
    }
    throw new SbxError('sandbox_not_found', `There is no sandbox "${nameOrId}"`);
  }

  /** Ends what runs in it and deletes it. A second call waits for the first. */
  remove(sandbox: SandboxRecord): Promise<void> {
    const running = this.#removals.get(sandbox.id);
    if (running !== undefined) return running;
    this.#clearExpiry(sandbox.id);
    const removal = this.#remove(sandbox).finally(() => this.#removals.delete(sandbox.id));
    this.#removals.set(sandbox.id, removal);
    return removal;
  }

  /** As `remove`, for who cannot do without: where it fails nobody sees the sandbox any more, and it is tried again. */
  async discard(sandbox: SandboxRecord): Promise<void> {
    try {
      await this.remove(sandbox);
    } catch (error) {
      this.#leftovers.addFailed(sandbox.id, error);
    }
  }

  async #remove(sandbox: SandboxRecord): Promise<void> {
    this.#hooks?.before(sandbox);
    await this.#options.driver.removeSandbox(sandbox.id);
    this.#sandboxes.delete(sandbox.id);
    this.#hooks?.after(sandbox);
  }

  #removeLeftover(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    return sandbox === undefined ? this.#options.driver.removeSandbox(id) : this.#remove(sandbox);
  }

  /** From now on none is made. */
  refuseNew(): void {
    this.#isRefusing = true;
  }

  /** Waits for the removals under way and lets go of the timers. */
  async close(): Promise<void> {
    for (const id of this.#expiries.keys()) this.#clearExpiry(id);
    await Promise.allSettled(this.#removals.values());
    await this.#leftovers.close();
  }

  async #make(record: SandboxRecord): Promise<void> {
    const { driver, directory } = this.#options;
    const { id, name, network } = record;
    try {
      writeRecord(join(directory, id), record);
      await driver.createSandbox({ id, name, network });
    } catch (error) {
      await driver.removeSandbox(id).catch((why: unknown) => {
        this.#leftovers.addFailed(id, why);
      });
      throw error;
    }
    this.#add(record);
  }

  #add(record: SandboxRecord): void {
    this.#sandboxes.set(record.id, record);
    if (record.expires !== null) this.#awaitExpiry(record, Date.parse(record.expires));
  }

  #awaitExpiry(record: SandboxRecord, at: number): void {
    const wait = Math.min(LONGEST_TIMER, Math.max(0, at - Date.now()));
    const timer = setTimeout(() => {
      if (Date.now() < at) this.#awaitExpiry(record, at);
      else void this.discard(record);
    }, wait);
    this.#expiries.set(record.id, timer);
  }

  #clearExpiry(id: string): void {
    clearTimeout(this.#expiries.get(id));
    this.#expiries.delete(id);
  }

  /** Keeps a name for a sandbox that is being made. */
  #reserve(wanted: string | undefined, owner: string): string {
    const name = wanted === undefined ? this.#makeUpFree(owner) : parseSandboxName(wanted);
    if (this.#isTaken(name, owner)) {
      throw new SbxError('sandbox_exists', `There is a sandbox "${name}" already`);
    }
    this.#reserved.add(keyOf(owner, name));
    return name;
  }

  #makeUpFree(owner: string): string {
    for (;;) {
      const name = makeUpName(Math.random);
      if (!this.#isTaken(name, owner)) return name;
    }
  }

  #isTaken(name: string, owner: string): boolean {
    if (this.#reserved.has(keyOf(owner, name))) return true;
    return [...this.#sandboxes.values()].some(
      (one) => one.owner === owner && one.name === name && !this.#leftovers.has(one.id),
    );
  }

  #isLeaving({ id }: SandboxRecord): boolean {
    return this.#removals.has(id) || this.#leftovers.has(id);
  }

  async #toStatus(sandbox: SandboxRecord): Promise<SandboxStatus> {
    const isRunning = await this.#options.driver.isSandboxRunning(sandbox.id);
    return { ...sandbox, state: isRunning ? 'running' : 'stopped' };
  }
}

function keyOf(owner: string, name: string): string {
  return `${owner} ${name}`;
}
