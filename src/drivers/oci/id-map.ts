import { readFileSync } from 'node:fs';
import { SbxError } from '../../protocol/errors.ts';
import type { SandboxUser } from './sandbox-user.ts';

/** A run of ids that this user namespace has, by the numbers that they have in it. */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** Which users and groups there can be in sandboxes: those of the user namespace that the driver is in. */
export interface IdMap {
  readonly users: readonly IdRange[];
  readonly groups: readonly IdRange[];
}

/** More ranges than the kernel takes are never there (user_namespaces(7)). */
export function readIdMap(): IdMap {
  return { users: readRanges('/proc/self/uid_map'), groups: readRanges('/proc/self/gid_map') };
}

export function hasId(ranges: readonly IdRange[], id: number): boolean {
  return ranges.some(({ first, count }) => id >= first && id < first + count);
}

/**
 * The mappings of a user namespace inside this one, in which numbers stay as they are: what it takes away is power over
 * everything outside it. A range each, as none may reach over the end of one of ours.
 */
export function toIdentityMappings({ users, groups }: IdMap): object {
  const toMappings = (ranges: readonly IdRange[]): object[] =>
    ranges.map(({ first, count }) => ({ containerID: first, hostID: first, size: count }));
  return { uidMappings: toMappings(users), gidMappings: toMappings(groups) };
}

/** @throws SbxError `bad_user` for a user or a group that no sandbox can have here */
export function requireIds({ uid, gid, groups, name }: SandboxUser, ids: IdMap): void {
  if (!hasId(ids.users, uid)) throw toMissingId(`user "${name}"`, { kind: 'user', id: uid });
  for (const id of [gid, ...groups]) {
    if (!hasId(ids.groups, id)) throw toMissingId(`user "${name}"`, { kind: 'group', id });
  }
}

function toMissingId(who: string, { kind, id }: { kind: 'user' | 'group'; id: number }): SbxError {
  return new SbxError(
    'bad_user',
    `Cannot run as ${who}: ${kind} ${id} is none of the ${kind}s that sandboxes can have here`,
    { hint: 'A plain user needs subordinate ids for other users than root; what to type says: sbx doctor' },
  );
}

/** Lines of `inside outside count`. */
function readRanges(path: string): IdRange[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return { first, count };
  });
}
