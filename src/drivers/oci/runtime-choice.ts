import { readFileSync, statSync, writeFileSync } from 'node:fs';

/** What was found to work here, so that the next daemon need not try again. */
export interface RuntimeChoice {
  readonly path: string;
  readonly userNamespace: boolean;
}

/** How the runtime at `path` was found to work; undefined if that is not known of this program on this boot. */
export function recallChoice(file: string, path: string): RuntimeChoice | undefined {
  try {
    const { stamp, userNamespace } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    return stamp === toStamp(path) && typeof userNamespace === 'boolean'
      ? { path, userNamespace }
      : undefined;
  } catch {
    return undefined;
  }
}

export function rememberChoice(file: string, choice: RuntimeChoice): void {
  const { path, userNamespace } = choice;
  writeFileSync(file, JSON.stringify({ stamp: toStamp(path), userNamespace }), { mode: 0o600 });
}

/** What is allowed may change with the program or with the kernel. */
function toStamp(path: string): string {
  const { mtimeMs, size, ino } = statSync(path);
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return [path, mtimeMs, size, ino, boot].join(' ');
}
