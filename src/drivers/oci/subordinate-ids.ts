import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Ids of this machine that a user may use besides the own one (subuid(5)). */
export interface SubordinateIds {
  readonly users: readonly SubordinateRange[];
  readonly groups: readonly SubordinateRange[];
}

export interface SubordinateRange {
  readonly start: number;
  readonly count: number;
}

/** What the files of this machine grant a user; none where they grant nothing. */
export function findSubordinateIds(uid: number): SubordinateIds {
  const names = [String(uid), findName()];
  return { users: readGrants('/etc/subuid', names), groups: readGrants('/etc/subgid', names) };
}

function findName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    // A uid without an entry in passwd.
    return undefined;
  }
}

/** Lines of `name:start:count`, where the name may be a number. */
function readGrants(path: string, names: readonly (string | undefined)[]): SubordinateRange[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .map((line) => line.trim().split(':'))
    .filter(([name]) => name !== '' && names.includes(name))
    .map(([, start, count]) => ({ start: Number(start), count: Number(count) }))
    .filter(({ start, count }) => Number.isInteger(start) && Number.isInteger(count) && count > 0);
}
