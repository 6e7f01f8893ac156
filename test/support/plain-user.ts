import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

const LOCK = '/run/lock/sbx-test-users';

/** A name that no other run of the tests uses; the kernel's users have 31 characters. */
export function toUserName(what: string): string {
  return `sbx-${what}-${process.pid}`;
}

export interface PlainUserOptions {
  /** Whether there can be other users than root in its sandboxes; true where nothing is said. */
  readonly subordinateIds?: boolean;
}

/** Makes a user of this machine, with a home, who may nothing special. To be removed by {@link removePlainUser}. */
export function createPlainUser(name: string, { subordinateIds = true }: PlainUserOptions = {}): void {
  const grantNothing = ['--key', 'SUB_UID_COUNT=0', '--key', 'SUB_GID_COUNT=0'];
  run('useradd', '--create-home', '--user-group', '--shell', '/bin/sh', ...grantNothing, name);
  if (!subordinateIds) return;
  // A range of its own above all that programs which grant ids would choose.
  const first = 2 ** 30 + statSync(`/home/${name}`).uid * 2 ** 17;
  const range = `${first}-${first + 2 ** 17 - 1}`;
  run('usermod', '--add-subuids', range, '--add-subgids', range, name);
}

/** Removes the user with its home, also while the last of its processes wait to be reaped. */
export function removePlainUser(name: string): void {
  if (new RegExp(`^${name}:`, 'm').test(readFileSync('/etc/passwd', 'utf8'))) {
    run('userdel', '--remove', '--force', name);
  }
}

/** The files of users have one lock, and no patience: another run of the tests may hold it. */
function run(program: string, ...args: string[]): void {
  const command = ['--close', LOCK, program, ...args];
  execFileSync('flock', command, { stdio: ['ignore', 'ignore', 'pipe'] });
}
