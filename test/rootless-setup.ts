import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findCaller, toSpawnOptions } from './support/caller.ts';
import { createPlainUser, removePlainUser, toUserName } from './support/plain-user.ts';

const SBX = fileURLToPath(new URL('../bin/sbx', import.meta.url));

/** Makes the user of the project `rootless`, and removes it at the end. */
export default function setup(): () => void {
  const name = toTestUserName();
  createPlainUser(name);
  try {
    execFileSync(SBX, ['version'], { ...toSpawnOptions(findCaller(name)), stdio: 'pipe' });
  } catch (cause) {
    removePlainUser(name);
    throw new Error(`A plain user cannot run ${SBX}: the directories above it must be open to others`, {
      cause,
    });
  }
  return () => {
    removePlainUser(name);
  };
}

/** One for each run of the tests. */
export function toTestUserName(): string {
  return toUserName('test');
}
