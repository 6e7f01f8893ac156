import { chmodSync, lstatSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxSpec } from '../driver.ts';
import { copyHostNetworkFiles } from './base-etc.ts';

/** Parts of this machine that a sandbox sees, each under a writable layer of its own. */
const SHARED = ['/usr', '/opt'];

/** Links into /usr where this machine has merged them, else directories to share as well. */
const MAYBE_MERGED = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** Private directories with their modes; `dev` and `proc` are only mounted on. */
const PRIVATE: readonly (readonly [path: string, mode: number])[] = [
  ['dev', 0o755],
  ['etc', 0o755],
  ['home', 0o755],
  ['mnt', 0o755],
  ['proc', 0o555],
  ['root', 0o700],
  ['run', 0o755],
  ['run/lock', 0o1777],
  ['srv', 0o755],
  ['tmp', 0o1777],
  ['var', 0o755],
  ['var/cache', 0o755],
  ['var/lib', 0o755],
  ['var/log', 0o755],
  ['var/mail', 0o1777],
  ['var/tmp', 0o1777],
  ['workspace', 0o755],
];

/** A directory of this machine under a writable layer, to be mounted in the sandbox. */
export interface Layered {
  readonly destination: string;
  /** The uppermost first. */
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** Layers that all sandboxes share. */
export interface BaseLayers {
  readonly etc: string;
  /** Directories that are to be root's inside, under the names of this machine's; undefined where they are. */
  readonly directories: string | undefined;
}

/** The parts of this machine that are shared: those of a merged `/usr` are links into it. */
export function listShared(): string[] {
  return [...SHARED, ...MAYBE_MERGED].filter(isDirectory);
}

/** Where the files of a sandbox are made. */
export interface RootPlace {
  readonly root: string;
  /** Of its writable layers. */
  readonly layers: string;
}

/** Makes the files of a sandbox's root and tells what is to be mounted over them. */
export function createRootTree(place: RootPlace, spec: SandboxSpec, base: BaseLayers): Layered[] {
  const { root } = place;
  createDirectory(root, 0o755);
  for (const [path, mode] of PRIVATE) createDirectory(join(root, path), mode);
  symlinkSync('/run', join(root, 'var/run'));
  symlinkSync('/run/lock', join(root, 'var/lock'));

  for (const path of MAYBE_MERGED.filter(isLink)) symlinkSync(readlinkSync(path), join(root, path));

  const { directories } = base;
  const toLower = (path: string): string[] =>
    directories === undefined ? [path] : [join(directories, path), path];
  const layers = listShared().map((path) => createLayer(place, path, toLower(path)));
  const etc = createLayer(place, '/etc', [base.etc]);
  writeOwnEtc(etc.upper, spec);
  return [...layers, etc];
}

function createLayer(place: RootPlace, destination: string, lower: readonly string[]): Layered {
  const [upper, work] = [join(place.layers, destination, 'upper'), join(place.layers, destination, 'work')];
  // The upper directory's own mode and owner are those of the mounted directory.
  createDirectory(upper, 0o755);
  createDirectory(work, 0o755);
  createDirectory(join(place.root, destination), 0o755);
  return { destination, lower, upper, work };
}

function writeOwnEtc(etc: string, spec: SandboxSpec): void {
  writeFileSync(join(etc, 'hostname'), `${spec.name}\n`);
  writeFileSync(
    join(etc, 'hosts'),
    `127.0.0.1 localhost ${spec.name}\n::1 localhost ip6-localhost ip6-loopback\n`,
  );
  if (spec.network === 'host') copyHostNetworkFiles(etc);
}

// mkdir(2) masks the mode.
function createDirectory(path: string, mode: number): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
