import { setTimeout as delay } from 'node:timers/promises';
import type { Driver } from '../drivers/driver.ts';
import type {
  AckRequest,
  AttachRequest,
  ExecRecord,
  SandboxRecord,
  StartExecRequest,
} from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { EndedReaders } from './ended-exec.ts';
import { EndedRecords } from './ended-records.ts';
import type { OpenStream } from './event-stream.ts';
import type { ExecReader } from './exec-reader.ts';
import { Exec } from './exec.ts';
import type { SandboxRegistry } from './sandbox-registry.ts';

export interface ExecRegistryOptions {
  readonly driver: Driver;
  readonly sandboxes: SandboxRegistry;
  /** Where the directories of execs lie. */
  readonly directory: string;
  readonly log: (line: string) => void;
}

/** A reader at its exec; without one where only its record is left. */
export interface Attached {
  readonly exec: Exec | undefined;
  readonly reader: ExecReader;
}

/** An exec whose sandbox is being found or made. */
interface Preparing {
  readonly exec: Promise<Exec>;
  readonly owner: string;
  readonly client: string | undefined;
  /** Its client has left meanwhile. */
  hasLeft: boolean;
}

/** What `create` gives. */
export interface Created {
  readonly exec: Exec;
  /** It is to be started. */
  readonly isNew: boolean;
  /** The client that asked for it has gone, and will not come back. */
  readonly hasLeft: boolean;
}

/** What a reader of an ended exec has to take the rest of it when the server goes, in milliseconds. */
const FAREWELL_MS = 1_000;

/** Which execs there are: the ones of this daemon, and the records of those before. */
export class ExecRegistry {
  readonly #options: ExecRegistryOptions;
  readonly #running = new Map<string, Exec>();
  readonly #ended: EndedRecords;
  readonly #endedReaders = new EndedReaders();
  /** Ended execs whose readers have not got everything. */
  readonly #lingering = new Map<string, Exec>();
  /** Ended execs that left somebody who may still write to us. */
  readonly #background = new Set<Exec>();
  readonly #preparing = new Map<string, Preparing>();
  #isRefusing = false;

  constructor(options: ExecRegistryOptions) {
    this.#options = options;
    this.#ended = new EndedRecords(options);
    options.sandboxes.setRemovalHooks({
      before: (sandbox) => {
        this.#killIn(sandbox);
      },
      after: (sandbox) => {
        this.#ended.dropLogsOf(sandbox);
      },
    });
  }

  get runningCount(): number {
    return this.#running.size + this.#preparing.size;
  }

  /** Somebody would meet SIGPIPE where the server went. */
  get hasBackground(): boolean {
    for (const exec of this.#background) if (!exec.hasBackground) this.#background.delete(exec);
    return this.#background.size > 0;
  }

  /** Some client would miss the end of an exec that runs, or is being started, more than its record tells. */
  get isAnyAttached(): boolean {
    if (this.#preparing.size > 0) return true;
    return [...this.#running.values()].some((exec) => exec.clients.readers.owner !== undefined);
  }

  /** Some owner client is still taking the rest of an exec that has ended. */
  get isAnyRead(): boolean {
    return [...this.#lingering.values()].some((exec) => exec.clients.readers.isOwnerReading);
  }

  /** Some client may come back for the rest of an exec that has ended. */
  get isAnyAwaited(): boolean {
    return [...this.#lingering.values()].some((exec) => exec.clients.readers.owner !== undefined);
  }

  load(): void {
    this.#ended.load();
  }

  /**
   * Makes the exec known; the caller attaches readers and then calls `start` on what it got, where that is new. A start
   * that is sent again, because its answer was lost, gives the exec of the first time.
   */
  async create(request: StartExecRequest, owner: string): Promise<Created> {
    const { id, client } = request;
    const before = this.#running.get(id) ?? this.#lingering.get(id) ?? (await this.#preparing.get(id)?.exec);
    if (before?.owner === owner && before.isStartedBy(request))
      return { exec: before, isNew: false, hasLeft: false };
    if (this.#isRefusing) throw new SbxError('shutting_down', 'Cannot start an exec: the server is stopping');
    if (before !== undefined || this.#ended.has(id)) {
      throw new SbxError('exec_exists', `There is an exec ${id} already`);
    }
    const preparing: Preparing = { exec: this.#make(request, owner), owner, client, hasLeft: false };
    this.#preparing.set(id, preparing);
    try {
      const exec = await preparing.exec;
      return { exec, isNew: true, hasLeft: preparing.hasLeft };
    } finally {
      this.#preparing.delete(id);
    }
  }

  async #make(request: StartExecRequest, owner: string): Promise<Exec> {
    const isFresh = request.sandbox === undefined;
    const sandbox = await this.#sandboxFor(request, owner);
    try {
      const exec = new Exec({
        request,
        sandbox,
        owner,
        openLog: () => this.#ended.openLog(request),
        log: this.#options.log,
        onKept: (kept) => {
          this.#ended.write(kept.record);
        },
        onEnd: (ended) => {
          this.#onExecEnd(ended, isFresh);
        },
      });
      if (request.detached) this.#requireRecord(exec);
      this.#running.set(request.id, exec);
      return exec;
    } catch (error) {
      if (isFresh) void this.#options.sandboxes.discard(sandbox);
      throw error;
    }
  }

  /** What runs without a client is known by its record alone. @throws SbxError as `openLog` */
  #requireRecord(exec: Exec): void {
    try {
      this.#ended.requireWritten(exec.record);
    } catch (error) {
      this.#ended.delete(exec.id);
      throw error;
    }
  }

  start(exec: Exec): Promise<void> {
    const started = exec.start(this.#options.driver);
    // While the runtime works; that of a detached one has been written.
    if (!exec.hasEnded && !exec.record.detached) this.#ended.write(exec.record);
    return started;
  }

  /** The exec itself, while this daemon has it. @throws SbxError `exec_not_found`, `exec_ended` */
  get(id: string, owner: string): Exec {
    const exec = this.#running.get(id) ?? this.#lingering.get(id);
    if (exec?.owner === owner) return exec;
    const { ended } = this.getRecord(id, owner);
    throw new SbxError('exec_ended', `The exec ${id} has ended${ended === null ? '' : `, at ${ended}`}`);
  }

  /** Shows an exec, also one that has ended. @throws SbxError as {@link ExecClients.attach} and {@link EndedReaders.attach} */
  async attach(request: AttachRequest, owner: string, open: OpenStream): Promise<Attached> {
    const exec = this.#running.get(request.id) ?? this.#lingering.get(request.id);
    if (exec?.owner === owner) return { exec, reader: await exec.clients.attach(request, open) };
    const record = this.getRecord(request.id, owner);
    // Who asks for the end alone needs no log that can be read.
    const store = request.output === false ? undefined : this.#ended.reopenLog(record);
    return { exec: undefined, reader: await this.#endedReaders.attach({ record, store }, request, open) };
  }

  /** A client will not come back, perhaps before its exec is there. @throws SbxError as `get` */
  leave(id: string, owner: string, client: string | undefined): void {
    const preparing = this.#preparing.get(id);
    if (preparing?.owner === owner && preparing.client === client) preparing.hasLeft = true;
    else this.get(id, owner).clients.leave(client);
  }

  /** A client has everything before these offsets. @throws SbxError as `get`, and `invalid_argument` */
  acknowledge(id: string, owner: string, { client, ...offsets }: AckRequest): void {
    const reader = this.#endedReaders.find(this.getRecord(id, owner).id, client);
    if (reader === undefined) {
      this.get(id, owner).clients.acknowledge(client, offsets);
      return;
    }
    reader.hear();
    reader.acknowledge(offsets);
  }

  /** @throws SbxError `exec_not_found`, `exec_ambiguous` for the beginning of several ids */
  getRecord(idOrPrefix: string, owner: string): ExecRecord {
    const whole = this.#running.get(idOrPrefix)?.record ?? this.#ended.get(idOrPrefix);
    if (whole?.owner === owner) return whole;
    const [record, another] = this.list(owner).filter(({ id }) => id.startsWith(idOrPrefix));
    if (record === undefined) throw new SbxError('exec_not_found', `There is no exec ${idOrPrefix}`);
    if (another === undefined) return record;
    const ids = `${record.id} and ${another.id}`;
    throw new SbxError('exec_ambiguous', `${idOrPrefix} is the beginning of ${ids}`);
  }

  /** Deletes the record of an exec that has ended, and its log. @throws SbxError `exec_not_found`, `exec_running` */
  remove(id: string, owner: string): void {
    const record = this.getRecord(id, owner);
    if (this.#running.has(record.id)) throw new SbxError('exec_running', `Cannot remove exec ${id}: it runs`);
    const exec = this.#lingering.get(record.id);
    if (exec !== undefined) void this.#letGo(exec);
    this.#ended.delete(record.id);
  }

  list(owner: string): ExecRecord[] {
    const running = [...this.#running.values()].map((exec) => exec.record);
    return [...this.#ended.values(), ...running].filter((record) => record.owner === owner);
  }

  /** From now on nothing is started. */
  refuseStarts(): void {
    this.#isRefusing = true;
  }

  /** No more starts; ends what runs, and waits for its readers to be told and for its logs on disk. */
  async close(): Promise<void> {
    this.refuseStarts();
    await this.#endAll();
    const lingering = [...this.#lingering.values()];
    const allRead = lingering.map((exec) => exec.clients.readers.allRead);
    await Promise.race([Promise.all(allRead), delay(FAREWELL_MS, undefined, { ref: false })]);
    await Promise.all(lingering.map((exec) => this.#letGo(exec)));
    this.#ended.close();
  }

  /** Ends the reading of an exec that has ended; resolves when its log is whole. */
  #letGo(exec: Exec): Promise<void> {
    exec.destroy();
    this.#lingering.delete(exec.id);
    return exec.clients.journal.settle();
  }

  /** Also those that were being prepared, which begin meanwhile. */
  async #endAll(): Promise<void> {
    while (this.runningCount > 0) {
      for (const exec of this.#running.values()) exec.hurry();
      await delay(10);
    }
  }

  async #sandboxFor(request: StartExecRequest, owner: string): Promise<SandboxRecord> {
    const { sandboxes } = this.#options;
    if (request.sandbox !== undefined) return sandboxes.get(request.sandbox, owner);
    return sandboxes.create({ network: request.network ?? 'none' }, owner, true);
  }

  #onExecEnd(exec: Exec, isFresh: boolean): void {
    this.#running.delete(exec.id);
    this.#lingering.set(exec.id, exec);
    if (exec.hasBackground) this.#background.add(exec);
    this.#ended.keep(exec.record);
    if (exec.record.error?.code === 'internal') this.#options.log(exec.record.error.message);
    void exec.clients.whenDone().then(() => {
      this.#lingering.delete(exec.id);
      if (!this.#options.sandboxes.has(exec.sandbox.id)) this.#ended.dropLogsOf(exec.sandbox);
    });
    if (isFresh) void this.#options.sandboxes.discard(exec.sandbox);
  }

  #killIn(sandbox: SandboxRecord): void {
    for (const exec of this.#running.values()) {
      if (exec.sandbox.id === sandbox.id) exec.kill('sandbox_removed');
    }
  }
}
