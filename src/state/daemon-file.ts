import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a running daemon says of itself in `daemon.json`. */
export interface DaemonFile {
  readonly schema: 1;
  readonly instance: string;
  readonly pid: number;
  /** Of the process, in clock ticks since boot: with the pid it names one process for good. */
  readonly start_time: string;
  readonly protocol: number;
  readonly version: string;
  readonly socket: string;
  /** What new sandboxes are made with. */
  readonly runtime: string;
  readonly runtime_path: string;
}

export function toDaemonFilePath(stateDir: string): string {
  return join(stateDir, 'daemon.json');
}

/** Undefined where there is none, or none that can be read. */
export function readDaemonFile(stateDir: string): DaemonFile | undefined {
  try {
    const file = JSON.parse(readFileSync(toDaemonFilePath(stateDir), 'utf8')) as Partial<DaemonFile> | null;
    const isWhole = file?.schema === 1 && typeof file.socket === 'string' && typeof file.pid === 'number';
    return isWhole ? (file as DaemonFile) : undefined;
  } catch {
    return undefined;
  }
}

export function writeDaemonFile(stateDir: string, file: DaemonFile): void {
  const path = toDaemonFilePath(stateDir);
  writeFileSync(`${path}.new`, `${JSON.stringify(file)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
