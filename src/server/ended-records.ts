import { rmdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DEFAULT_LOG_BYTES,
  type ExecRecord,
  type SandboxRecord,
  type StartExecRequest,
} from '../protocol/api.ts';
import { readRecords, writeRecord } from './record-file.ts';
import { openStoredLog, type StoredLog } from './log/stored-log.ts';
import { reopenStoredLog, type StoredOutput } from './log/stored-output.ts';

export interface EndedRecordsOptions {
  /** Where the directories of execs lie. */
  readonly directory: string;
  readonly log: (line: string) => void;
}

/** How many records of ended execs are kept for an owner, and for how long, in milliseconds. */
const KEPT = 1000;
const KEPT_MS = 24 * 3_600_000;
/** The same of an exec with a log on disk, however many there are. */
const LOG_KEPT_MS = 7 * KEPT_MS;

/** The records of execs on disk, with their logs, and of those that have ended also in memory. */
export class EndedRecords {
  readonly #options: EndedRecordsOptions;
  /** Oldest end first. */
  readonly #records = new Map<string, ExecRecord>();
  /** What the disk had no room for. */
  readonly #unwritten = new Map<string, ExecRecord>();

  constructor(options: EndedRecordsOptions) {
    this.#options = options;
  }

  /** Takes over the records of an earlier daemon. Its execs died with it: what ran then is lost. */
  load(): void {
    const records = readRecords(this.#options.directory, this.#options.log) as {
      name: string;
      record: ExecRecord | null;
    }[];
    records.sort((a, b) => endOf(a.record) - endOf(b.record));
    const owners = new Set<string>();
    for (const { name, record } of records) {
      if (record === null) {
        this.#deleteFiles(name);
        continue;
      }
      this.#records.set(record.id, hasEnded(record) ? record : this.#markLost(record));
      owners.add(record.owner);
    }
    // Once for all of them: looking at all for each takes seconds where there are many.
    for (const owner of owners) this.#forget(owner);
  }

  has(id: string): boolean {
    return this.#records.has(id);
  }

  get(id: string): ExecRecord | undefined {
    return this.#records.get(id);
  }

  values(): Iterable<ExecRecord> {
    return this.#records.values();
  }

  keep(record: ExecRecord): void {
    this.write(record);
    this.#records.set(record.id, record);
    this.#forget(record.owner);
  }

  /** A record that cannot be written ends nobody's command: our log says so, and it is tried again at the end. */
  write(record: ExecRecord): void {
    this.#unwritten.delete(record.id);
    try {
      writeRecord(this.#toDirectory(record.id), record);
    } catch (error) {
      this.#unwritten.set(record.id, record);
      this.#options.log(String(error));
    }
  }

  close(): void {
    for (const record of [...this.#unwritten.values()]) this.write(record);
  }

  delete(id: string): void {
    this.#records.delete(id);
    this.#unwritten.delete(id);
    this.#deleteFiles(id);
  }

  /** @throws SbxError `disk_full`, `state_dir_unusable` */
  openLog({ id, log_bytes: capBytes = DEFAULT_LOG_BYTES }: StartExecRequest): StoredLog {
    try {
      return openStoredLog(this.#toLog(id), { capBytes });
    } catch (error) {
      this.#removeEmpty(this.#toDirectory(id));
      throw error;
    }
  }

  /** Undefined where the exec has none. */
  reopenLog({ id, log }: ExecRecord): StoredOutput | undefined {
    return log ? reopenStoredLog(this.#toLog(id)) : undefined;
  }

  /** The logs of a sandbox go with it; the records stay. */
  dropLogsOf(sandbox: SandboxRecord): void {
    // What ran in a fresh sandbox goes with it by itself, and its log is all that is left of it.
    if (sandbox.fresh) return;
    for (const record of this.#records.values()) {
      if (record.sandbox.id !== sandbox.id || !record.log) continue;
      const without = { ...record, log: false };
      this.#records.set(record.id, without);
      // It makes the room that the record may need.
      this.#remove(this.#toLog(record.id));
      this.write(without);
    }
  }

  #markLost(record: ExecRecord): ExecRecord {
    const lost: ExecRecord = { ...record, state: 'lost', reason: 'lost', ended: new Date().toISOString() };
    this.write(lost);
    return lost;
  }

  #forget(owner: string): void {
    const now = Date.now();
    let count = [...this.#records.values()].filter((record) => record.owner === owner && !record.log).length;
    for (const record of this.#records.values()) {
      const age = now - endOf(record);
      const isOld = age >= (record.log ? LOG_KEPT_MS : KEPT_MS);
      const isSurplus = record.owner === owner && !record.log && count > KEPT;
      if (!isOld && !isSurplus) continue;
      if (isSurplus) count -= 1;
      this.delete(record.id);
    }
  }

  #toDirectory(id: string): string {
    return join(this.#options.directory, id);
  }

  #toLog(id: string): string {
    return join(this.#toDirectory(id), 'log');
  }

  #deleteFiles(id: string): void {
    this.#remove(this.#toDirectory(id));
  }

  #removeEmpty(path: string): void {
    try {
      rmdirSync(path);
    } catch {
      // There is something in it, or it could not be made.
    }
  }

  #remove(path: string): void {
    rm(path, { recursive: true, force: true }).catch((error: unknown) => {
      this.#options.log(`Cannot delete ${path}: ${String(error)}`);
    });
  }
}

function hasEnded(record: ExecRecord): boolean {
  return record.state === 'exited' || record.state === 'failed' || record.state === 'lost';
}

/** Milliseconds since the epoch; of one that has not ended the time of its start. */
function endOf(record: ExecRecord | null): number {
  return record === null ? 0 : Date.parse(record.ended ?? record.created);
}
