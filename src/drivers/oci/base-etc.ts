import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { readlinkSync, statSync, symlinkSync, writeFileSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { ETC_ALLOW_LIST, ETC_HOST_NETWORK, GROUP, PASSWD } from './etc-allow-list.ts';
import { prepareBaseLayer } from './base-layer.ts';

interface Entry {
  /** Below `/etc`. */
  readonly path: string;
  readonly stats: Stats;
}

/** Prepares the lower layer of every sandbox's `/etc` under `base` and returns its path. */
export function prepareBaseEtc(base: string, isInUse: boolean): string {
  const entries = listEntries();
  const fillEtc = (directory: string): void => {
    fill(directory, entries);
  };
  return prepareBaseLayer(base, { name: 'etc', key: toKey(entries), fill: fillEtc }, isInUse);
}

function fill(draft: string, entries: readonly Entry[]): void {
  mkdirSync(draft);
  for (const entry of entries) copyEntry(entry, draft);
  writeFileSync(join(draft, 'passwd'), PASSWD);
  writeFileSync(join(draft, 'group'), GROUP);
  symlinkSync('/proc/mounts', join(draft, 'mtab'));
}

function listEntries(): Entry[] {
  return ETC_ALLOW_LIST.flatMap(expand).flatMap(listTree);
}

/** `java-*` becomes the names that are there. */
function expand(pattern: string): string[] {
  if (!pattern.endsWith('*')) return [pattern];
  const prefix = pattern.slice(0, -1);
  return readdirSync('/etc').filter((name) => name.startsWith(prefix));
}

function listTree(path: string): Entry[] {
  const stats = lstatSync(join('/etc', path), { throwIfNoEntry: false });
  if (stats === undefined || !isShareable(stats)) return [];
  if (!stats.isDirectory()) return [{ path, stats }];
  const names = readdirSync(join('/etc', path)).sort();
  return [{ path, stats }, ...names.flatMap((name) => listTree(join(path, name)))];
}

function isShareable(stats: Stats): boolean {
  const isKnownKind = stats.isFile() || stats.isDirectory() || stats.isSymbolicLink();
  return isKnownKind && (stats.mode & 0o004) !== 0;
}

function toKey(entries: readonly Entry[]): string {
  const hash = createHash('sha256').update(PASSWD).update(GROUP);
  for (const { path, stats } of entries)
    hash.update(`${path}\0${stats.mtimeMs}\0${stats.size}\0${stats.mode}\n`);
  return hash.digest('hex').slice(0, 16);
}

function copyEntry({ path, stats }: Entry, draft: string): void {
  const source = join('/etc', path);
  const target = join(draft, path);
  mkdirSync(dirname(target), { recursive: true });
  if (stats.isDirectory()) {
    mkdirSync(target, { recursive: true });
    chmodSync(target, stats.mode & 0o7777);
  } else if (stats.isSymbolicLink()) {
    copyLink(source, target);
  } else {
    copyFileSync(source, target);
    chmodSync(target, stats.mode & 0o777);
  }
}

/** A link into what the sandbox has too stays a link; one to elsewhere becomes the file that everybody may read. */
function copyLink(source: string, target: string): void {
  const to = readlinkSync(source);
  const isInside = !to.startsWith('/') || /^\/(usr|etc|opt|proc)\//.test(to);
  if (isInside) return symlinkSync(to, target);
  const stats = statSync(source, { throwIfNoEntry: false });
  if (stats?.isFile() && isShareable(stats)) copyFileSync(source, target);
}

/** For a sandbox that shares this machine's network: how it finds names. The content, wherever a link leads. */
export function copyHostNetworkFiles(etc: string): void {
  for (const name of ETC_HOST_NETWORK) {
    const source = join('/etc', name);
    if (existsSync(source)) copyFileSync(source, join(etc, name));
  }
}
