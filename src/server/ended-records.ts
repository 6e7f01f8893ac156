import { readdirSync, rmdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DEFAULT_LOG_BYTES,
  type ExecRecord,
  type SandboxRecord,
  type StartExecRequest,
} from '../protocol/api.ts';
import { toKeptRecord } from './exec-record.ts';
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
/** The same of an exec with something in a log on disk, however many there are. */
const LOG_KEPT_MS = 7 * KEPT_MS;

/** The records of execs on disk, with their logs, and of those that have ended also in memory. */
export class EndedRecords {
  readonly #options: EndedRecordsOptions;
  /** Oldest end first. */
  readonly #records = new Map<string, ExecRecord>();
  /** By owner, the ids of those of which so many are kept, oldest end first. */
  readonly #counted = new Map<string, Set<string>>();
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
    const kept: ExecRecord[] = [];
    for (const { name, record } of records) {
      if (record === null) this.#passOver(name);
      else kept.push(hasEnded(record) ? toKeptRecord(record) : this.#markLost(toKeptRecord(record)));
    }
    kept.sort((a, b) => endOf(a) - endOf(b));
    for (const record of kept) this.#records.set(record.id, record);
    this.#count();
    this.#forget();
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

  /** The exec has ended. */
  keep(ended: ExecRecord): void {
    const record = toKeptRecord(ended);
    this.write(record);
    this.#records.set(record.id, record);
    this.#countIn(record);
    this.#forget();
  }

  /** Writes the record of an exec that nobody else will tell of. @throws SbxError `disk_full`, `state_dir_unusable` */
  requireWritten(record: ExecRecord): void {
    writeRecord(this.#toDirectory(record.id), record);
  }

  /** A record that cannot be written ends nobody's command: our log says so, and it is tried again with the next one. */
  write(record: ExecRecord): void {
    this.#unwritten.delete(record.id);
    try {
      writeRecord(this.#toDirectory(record.id), record);
    } catch (error) {
      this.#unwritten.set(record.id, record);
      this.#options.log(String(error));
      return;
    }
    this.#writeLeft();
  }

  close(): void {
    for (const record of [...this.#unwritten.values()]) this.write(record);
  }

  delete(id: string): void {
    const record = this.#records.get(id);
    if (record !== undefined) this.#counted.get(record.owner)?.delete(id);
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
    this.#count();
    this.#forget();
  }

  /** There may be room again. */
  #writeLeft(): void {
    for (const [id, record] of this.#unwritten) {
      try {
        writeRecord(this.#toDirectory(id), record);
        this.#unwritten.delete(id);
      } catch {
        // Our log has it already.
      }
    }
  }

  /** A directory without a record: what an exec wrote is not deleted because a disk had no room for its record. */
  #passOver(name: string): void {
    if (hasFreshLog(this.#toLog(name))) {
      this.#options.log(`The log in ${this.#toLog(name)} has no record, and is left alone`);
    } else this.#deleteFiles(name);
  }

  #markLost(record: ExecRecord): ExecRecord {
    const lost: ExecRecord = { ...record, state: 'lost', reason: 'lost', ended: new Date().toISOString() };
    this.write(lost);
    return lost;
  }

  /** Finds anew of which records so many are kept. */
  #count(): void {
    this.#counted.clear();
    for (const record of this.#records.values()) this.#countIn(record);
  }

  #countIn(record: ExecRecord): void {
    if (hasKeptOutput(record)) return;
    const { id, owner } = record;
    const ids = this.#counted.get(owner) ?? new Set();
    this.#counted.set(owner, ids.add(id));
  }

  /** Looks at no more than goes, and one: there may be many thousands, and this is done whenever an exec ends. */
  #forget(): void {
    const now = Date.now();
    for (const ids of this.#counted.values()) {
      for (const id of ids) {
        const isOld = now - endOf(this.#records.get(id)) >= KEPT_MS;
        if (!isOld && ids.size <= KEPT) break;
        this.delete(id);
      }
    }
    for (const record of this.#records.values()) {
      if (now - endOf(record) < LOG_KEPT_MS) break;
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

/** There is, or of one that is lost may be, something in its log on disk. */
function hasKeptOutput({ log, state, bytes }: ExecRecord): boolean {
  return log && (state === 'lost' || bytes.stdout > 0 || bytes.stderr > 0);
}

function hasFreshLog(directory: string): boolean {
  try {
    const age = Date.now() - statSync(directory).mtimeMs;
    return age < LOG_KEPT_MS && readdirSync(directory).length > 0;
  } catch {
    return false;
  }
}

/** Milliseconds since the epoch; of one that has not ended the time of its start. */
function endOf(record: ExecRecord | undefined): number {
  return record === undefined ? 0 : Date.parse(record.ended ?? record.created);
}
