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

/**
 * The records of all directories under `parent`; null for a directory whose record is missing or torn. One that cannot be
 * read now, or that another version wrote, is left out, said in `log`, and left as it is.
 */
export function readRecords(
  parent: string,
  log: (line: string) => void,
): { name: string; record: object | null }[] {
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  return readdirSync(parent).flatMap((name) => {
    try {
      return [{ name, record: readRecord(join(parent, name, RECORD)) }];
    } catch (error) {
      log(`What is in ${join(parent, name)} is left alone: ${(error as Error).message}`);
      return [];
    }
  });
}

function readRecord(path: string): object | null {
  const record = parseRecord(readWhole(path));
  if (record === null || record.schema === 1) return record;
  throw new Error(`its record has the schema ${String(record.schema)}`);
}

function readWhole(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function parseRecord(text: string): { schema?: unknown } | null {
  try {
    return JSON.parse(text) as { schema?: unknown };
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
