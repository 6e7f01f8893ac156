import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isExecutable } from '../../posix/executable.ts';
import type { Need } from './needs.ts';

export interface PackageCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A package manager of this machine and how it is asked. */
export interface PackageManager {
  readonly name: string;
  readonly packages: Readonly<Record<Need, string>>;
  readonly install: readonly string[];
  /** Fetches the lists of packages; undefined where installing does that itself. */
  readonly refresh?: readonly string[];
  /** Where the lists lie, and which names there are lists. */
  readonly lists?: { readonly directory: string; readonly name: RegExp };
  readonly env?: Readonly<Record<string, string>>;
}

const SAME = { crun: 'crun', runc: 'runc', sleep: 'coreutils', namespaces: 'util-linux' };

/** In the order in which they are looked for. */
export const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    name: 'apt-get',
    packages: { ...SAME, init: 'tini' },
    // A machine that has just started may hold the lock for its own updates.
    install: ['install', '--yes', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'],
    refresh: ['update'],
    lists: { directory: '/var/lib/apt/lists', name: /_(InRelease|Release|Packages)(\.|$)/ },
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  },
  {
    name: 'dnf',
    packages: { ...SAME, init: 'tini-static' },
    install: ['install', '--assumeyes', '--setopt=install_weak_deps=False'],
  },
  {
    name: 'apk',
    packages: { ...SAME, init: 'tini-static' },
    install: ['add', '--no-cache'],
  },
  {
    name: 'pacman',
    packages: { ...SAME, init: 'tini' },
    install: ['-S', '--noconfirm', '--needed'],
    refresh: ['-Sy', '--noconfirm'],
    lists: { directory: '/var/lib/pacman/sync', name: /\.db$/ },
  },
];

/** The first package manager on a PATH. */
export function findPackageManager(path: string): PackageManager | undefined {
  return PACKAGE_MANAGERS.find(({ name }) =>
    path.split(':').some((directory) => isExecutable(join(directory, name))),
  );
}

export function toInstallCommand(manager: PackageManager, needs: readonly Need[]): PackageCommand {
  return toCommand(manager, [...manager.install, ...needs.map((need) => manager.packages[need])]);
}

/** Undefined for a package manager that needs none. */
export function toRefreshCommand(manager: PackageManager): PackageCommand | undefined {
  return manager.refresh && toCommand(manager, manager.refresh);
}

/** False where nothing could be found in the lists, as in a fresh container image. */
export function hasLists({ lists }: PackageManager): boolean {
  if (lists === undefined) return true;
  try {
    return readdirSync(lists.directory).some((name) => lists.name.test(name));
  } catch {
    return false;
  }
}

/** As it is typed in a shell. */
export function formatCommand({ file, args, env }: PackageCommand): string {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [...settings, file, ...args].join(' ');
}

function toCommand({ name, env = {} }: PackageManager, args: readonly string[]): PackageCommand {
  return { file: name, args, env };
}
