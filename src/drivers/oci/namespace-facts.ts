import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { findProgram } from './host-parts.ts';
import { findSubordinateIds } from './subordinate-ids.ts';

/** What decides whether a plain user can have user namespaces here, and with which ids. */
export interface NamespaceFacts {
  /** Of the user, for what is to be typed. */
  readonly name: string;
  /** user.max_user_namespaces. */
  readonly limit: number | undefined;
  /** Debian's kernel.unprivileged_userns_clone is 0. */
  readonly isCloneForbidden: boolean;
  /** Ubuntu's kernel.apparmor_restrict_unprivileged_userns is 1. */
  readonly isRestrictedByAppArmor: boolean;
  /** A seccomp filter is in force, as in most containers. */
  readonly isFiltered: boolean;
  /** no_new_privs: newuidmap cannot do what it is for. */
  readonly hasNoNewPrivileges: boolean;
  readonly isContainer: boolean;
  readonly hasMappers: boolean;
  readonly hasSubordinateIds: boolean;
}

export function findNamespaceFacts(uid: number): NamespaceFacts {
  const status = tryRead('/proc/self/status') ?? '';
  const { users, groups } = findSubordinateIds(uid);
  return {
    name: findName(uid),
    limit: readNumber('/proc/sys/user/max_user_namespaces'),
    isCloneForbidden: readNumber('/proc/sys/kernel/unprivileged_userns_clone') === 0,
    isRestrictedByAppArmor: readNumber('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === 1,
    isFiltered: /^Seccomp:\s*[12]$/m.test(status),
    hasNoNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status),
    isContainer: ['/.dockerenv', '/run/.containerenv', '/run/systemd/container'].some((path) =>
      existsSync(path),
    ),
    hasMappers: ['newuidmap', 'newgidmap'].every((name) => findProgram(name) !== undefined),
    hasSubordinateIds: users.length > 0 && groups.length > 0,
  };
}

/** The programs that make and enter namespaces, as far as they are missing. */
export function findMissingNamespaceTools(): string[] {
  return ['unshare', 'nsenter'].filter((name) => findProgram(name) === undefined);
}

function findName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

function readNumber(path: string): number | undefined {
  const text = tryRead(path);
  return text === undefined ? undefined : Number(text.trim());
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
