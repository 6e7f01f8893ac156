import { readFileSync } from 'node:fs';

/** What the runtime says went wrong, from the file of its `--log-format json`; empty where nothing did. */
export function readRuntimeErrors(path: string): string {
  try {
    return parseRuntimeErrors(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function parseRuntimeErrors(log: string): string {
  return log
    .split('\n')
    .map(parseEntry)
    .filter((message) => message !== undefined)
    .join('; ');
}

function parseEntry(line: string): string | undefined {
  if (line.trim() === '') return undefined;
  try {
    const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
    return (level === 'error' || level === 'fatal') && typeof msg === 'string' ? msg : undefined;
  } catch {
    // A line that a full disk cut short still tells something.
    return line;
  }
}
