import { SbxError } from '../../protocol/errors.ts';

/** Who a command runs as. */
export interface SandboxUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

export const ROOT: SandboxUser = {
  uid: 0,
  gid: 0,
  groups: [],
  name: 'root',
  home: '/root',
  shell: '/bin/sh',
};

/** Reads a file of the sandbox from inside it; no path of a guest is ever opened from here. */
export type GuestFileReader = (path: string) => Promise<string>;

/** runc takes no more. */
const LAST_ID = 2 ** 31 - 1;

/**
 * Finds `USER[:GROUP]`, names or numbers, in the sandbox's own `/etc/passwd` and `/etc/group`. A number needs no
 * entry: then the group is 0 and the home is `/`, as in docker. Throws `bad_user`.
 */
export async function findSandboxUser(text: string, read: GuestFileReader): Promise<SandboxUser> {
  const [userText = '', groupText, ...rest] = text.split(':');
  if (userText === '' || groupText === '' || rest.length > 0) {
    throw new SbxError('bad_user', `Cannot run as user "${text}": it is not USER or USER:GROUP`);
  }
  const user = isNumber(userText) ? toNumericUser(userText) : await findNamedUser(userText, read);
  if (groupText === undefined) return user;
  return { ...user, gid: await findGroup(groupText, read), groups: [] };
}

function toNumericUser(text: string): SandboxUser {
  const uid = toId(text);
  if (uid === 0) return ROOT;
  return { uid, gid: 0, groups: [], name: text, home: '/', shell: '/bin/sh' };
}

async function findNamedUser(name: string, read: GuestFileReader): Promise<SandboxUser> {
  const [, , uid, gid, , home, shell] = findEntry(await read('/etc/passwd'), name) ?? [];
  if (uid === undefined || gid === undefined) {
    throw new SbxError(
      'bad_user',
      `Cannot run as user "${name}": /etc/passwd of the sandbox has no such user`,
    );
  }
  const groups = findMemberships(await read('/etc/group'), name);
  return { uid: toId(uid), gid: toId(gid), groups, name, home: home || '/', shell: shell || '/bin/sh' };
}

async function findGroup(text: string, read: GuestFileReader): Promise<number> {
  if (isNumber(text)) return toId(text);
  const gid = findEntry(await read('/etc/group'), text)?.[2];
  if (gid === undefined) {
    throw new SbxError(
      'bad_user',
      `Cannot run in group "${text}": /etc/group of the sandbox has no such group`,
    );
  }
  return toId(gid);
}

/** The fields of the line of a passwd(5) or group(5) file that belongs to a name. */
function findEntry(file: string, name: string): string[] | undefined {
  return toEntries(file).find((fields) => fields[0] === name);
}

function findMemberships(groupFile: string, name: string): number[] {
  const own = toEntries(groupFile).filter((fields) => fields[3]?.split(',').includes(name));
  return own.map((fields) => toId(fields[2] ?? ''));
}

function toEntries(file: string): string[][] {
  return file.split('\n').map((line) => line.split(':'));
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

function toId(text: string): number {
  const id = Number(text);
  if (isNumber(text) && id <= LAST_ID) return id;
  throw new SbxError('bad_user', `Cannot run as "${text}": a user or group number is 0 to ${LAST_ID}`);
}
