import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SbxError } from '../protocol/errors.ts';

const RECORD = 'record.json';

/** Writes a record into its directory, whole or not at all. @throws SbxError `disk_full`, `state_dir_unusable` */
export function writeRecord(directory: string, record: object): void {
  const temporary = join(directory, `${RECORD}.new`);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    renameSync(temporary, join(directory, RECORD));
  } catch (cause) {
    throw toStateError(directory, cause as NodeJS.ErrnoException);
  }
}

/** The records of all directories under `parent`; null for a directory whose record is missing or torn. */
export function readRecords(parent: string): { name: string; record: object | null }[] {
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  return readdirSync(parent).map((name) => ({ name, record: readRecord(join(parent, name)) }));
}

function readRecord(directory: string): object | null {
  try {
    const record = JSON.parse(readFileSync(join(directory, RECORD), 'utf8')) as { schema?: unknown };
    return record.schema === 1 ? record : null;
  } catch {
    return null;
  }
}

function toStateError(directory: string, cause: NodeJS.ErrnoException): SbxError {
  if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT') {
    return new SbxError('disk_full', `Cannot write a record under ${directory}: the disk is full`, { cause });
  }
  return new SbxError('state_dir_unusable', `Cannot write a record under ${directory}: ${cause.message}`, {
    cause,
  });
}
