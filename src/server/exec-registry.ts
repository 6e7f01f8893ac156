import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Driver } from '../drivers/driver.ts';
import type { ExecRecord, SandboxRecord, StartExecRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { Exec } from './exec.ts';
import { readRecords, writeRecord } from './record-file.ts';
import type { SandboxRegistry } from './sandbox-registry.ts';

export interface ExecRegistryOptions {
  readonly driver: Driver;
  readonly sandboxes: SandboxRegistry;
  /** Where the directories of execs lie. */
  readonly directory: string;
  readonly log: (line: string) => void;
}

/** What a reader of an ended exec has to take the rest of it when the server goes, in milliseconds. */
const FAREWELL_MS = 1_000;
/** How many records of ended execs are kept, and for how long, in milliseconds. */
const KEPT = 1000;
const KEPT_MS = 24 * 3_600_000;

/** Which execs there are: the ones of this daemon, and the records of those before. */
export class ExecRegistry {
  readonly #options: ExecRegistryOptions;
  readonly #running = new Map<string, Exec>();
  /** Oldest end first. */
  readonly #ended = new Map<string, ExecRecord>();
  /** Ended execs whose readers have not got everything. */
  readonly #lingering = new Map<string, Exec>();
  /** Execs whose fresh sandbox is being made. */
  readonly #preparing = new Set<string>();
  #isClosing = false;

  constructor(options: ExecRegistryOptions) {
    this.#options = options;
    options.sandboxes.setBeforeRemoval((sandbox) => {
      this.#killIn(sandbox);
    });
  }

  get runningCount(): number {
    return this.#running.size + this.#preparing.size;
  }

  /** Takes over the records of an earlier daemon. Its execs died with it: what ran then is lost. */
  load(): void {
    const records = readRecords(this.#options.directory) as { name: string; record: ExecRecord | null }[];
    records.sort((a, b) => (a.record?.created ?? '').localeCompare(b.record?.created ?? ''));
    for (const { name, record } of records) {
      if (record === null) this.#delete(name);
      else this.#keep(hasEnded(record) ? record : this.#markLost(record));
    }
  }

  /** Makes the exec known; the caller attaches readers and then calls `start` on what it got. */
  async create(request: StartExecRequest, owner: string): Promise<Exec> {
    if (this.#isClosing) throw new SbxError('shutting_down', 'Cannot start an exec: the server is stopping');
    const { id } = request;
    if (this.#running.has(id) || this.#ended.has(id) || this.#preparing.has(id)) {
      throw new SbxError('exec_exists', `There is an exec ${id} already`);
    }
    const isFresh = request.sandbox === undefined;
    this.#preparing.add(id);
    try {
      const sandbox = await this.#sandboxFor(request, owner);
      const exec = new Exec({ request, sandbox, owner, onEnd: (ended) => this.#onExecEnd(ended, isFresh) });
      this.#running.set(id, exec);
      return exec;
    } finally {
      this.#preparing.delete(id);
    }
  }

  start(exec: Exec): Promise<void> {
    const started = exec.start(this.#options.driver);
    // While the runtime works. A start that cannot be recorded is not one that can be lost unseen.
    if (!exec.hasEnded) this.#record(exec);
    return started;
  }

  /** The exec itself, while this daemon has it. @throws SbxError `exec_not_found`, `exec_ended` */
  get(id: string, owner: string): Exec {
    const exec = this.#running.get(id) ?? this.#lingering.get(id);
    if (exec?.owner === owner) return exec;
    if (this.#ended.get(id)?.owner === owner) throw new SbxError('exec_ended', `The exec ${id} has ended`);
    throw new SbxError('exec_not_found', `There is no exec ${id}`);
  }

  getRecord(id: string, owner: string): ExecRecord {
    const record = this.#running.get(id)?.record ?? this.#ended.get(id);
    if (record?.owner === owner) return record;
    throw new SbxError('exec_not_found', `There is no exec ${id}`);
  }

  list(owner: string): ExecRecord[] {
    const running = [...this.#running.values()].map((exec) => exec.record);
    return [...this.#ended.values(), ...running].filter((record) => record.owner === owner);
  }

  /** No more starts; ends what runs, and waits for its readers to be told. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const exec of this.#running.values()) exec.end('killed');
    await this.#whenAllEnded();
    const allRead = [...this.#lingering.values()].map((exec) => exec.readers.allRead);
    await Promise.race([Promise.all(allRead), delay(FAREWELL_MS, undefined, { ref: false })]);
    for (const exec of this.#lingering.values()) exec.destroy();
  }

  async #whenAllEnded(): Promise<void> {
    while (this.runningCount > 0) await delay(10);
  }

  async #sandboxFor(request: StartExecRequest, owner: string): Promise<SandboxRecord> {
    const { sandboxes } = this.#options;
    if (request.sandbox !== undefined) return sandboxes.get(request.sandbox, owner);
    return sandboxes.create({ network: request.network ?? 'none' }, owner, true);
  }

  #onExecEnd(exec: Exec, isFresh: boolean): void {
    this.#running.delete(exec.id);
    this.#lingering.set(exec.id, exec);
    this.#record(exec);
    this.#keep(exec.record);
    if (exec.record.error?.code === 'internal') this.#options.log(exec.record.error.message);
    void exec.readers.allRead.then(() => this.#lingering.delete(exec.id));
    if (isFresh) this.#removeFresh(exec.sandbox);
  }

  #killIn(sandbox: SandboxRecord): void {
    for (const exec of this.#running.values()) {
      if (exec.sandbox.id === sandbox.id) exec.kill('sandbox_removed');
    }
  }

  #removeFresh(sandbox: SandboxRecord): void {
    this.#options.sandboxes.remove(sandbox).catch((error: unknown) => {
      this.#options.log(`Cannot remove the sandbox ${sandbox.name}: ${String(error)}`);
    });
  }

  /** A record that cannot be written ends nobody's command: the daemon's log says so. */
  #record(exec: Exec): void {
    try {
      writeRecord(join(this.#options.directory, exec.id), exec.record);
    } catch (error) {
      this.#options.log(String(error));
    }
  }

  #markLost(record: ExecRecord): ExecRecord {
    const lost: ExecRecord = { ...record, state: 'lost', reason: 'lost', ended: new Date().toISOString() };
    writeRecord(join(this.#options.directory, record.id), lost);
    return lost;
  }

  #keep(record: ExecRecord): void {
    this.#ended.set(record.id, record);
    const oldest = this.#ended.values().next().value;
    if (oldest === undefined) return;
    if (this.#ended.size <= KEPT && Date.now() - Date.parse(oldest.ended ?? oldest.created) < KEPT_MS) return;
    this.#ended.delete(oldest.id);
    this.#delete(oldest.id);
  }

  #delete(id: string): void {
    rm(join(this.#options.directory, id), { recursive: true, force: true }).catch((error: unknown) => {
      this.#options.log(`Cannot delete the record of exec ${id}: ${String(error)}`);
    });
  }
}

function hasEnded(record: ExecRecord): boolean {
  return record.state === 'exited' || record.state === 'failed' || record.state === 'lost';
}
