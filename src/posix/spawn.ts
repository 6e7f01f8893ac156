import {
  posixSpawn,
  posixSpawnattrInit,
  posixSpawnattrSetflags,
  posixSpawnattrSetsigdefault,
  posixSpawnattrSetsigmask,
  posixSpawnFileActionsAddchdir,
  posixSpawnFileActionsAdddup2,
  posixSpawnFileActionsDestroy,
  posixSpawnFileActionsInit,
} from './libc.ts';
import { toPosixError } from './posix-error.ts';

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;

/** Larger than the opaque structures of any libc: glibc's have 80, 336 and 128 bytes. */
const ACTIONS_SIZE = 256;
const ATTRIBUTES_SIZE = 1024;
const SIGNALS_SIZE = 256;

export interface SpawnOptions {
  /** What the child has as descriptors 0, 1 and 2; each of ours is above 2 and stays open. */
  readonly stdio: readonly [number, number, number];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/**
 * Starts a program in a session of its own, with default signals, and gives its pid, which the caller has to reap.
 * Node's spawn(2) copies the page tables of a whole server for each child, 1.5 to 4 ms of its one thread; this does not
 * (posix_spawn(3) of glibc and musl share memory with the child until it has executed).
 * @throws NodeJS.ErrnoException `ENOENT`, `EACCES`…
 */
export function spawnSession(path: string, args: readonly string[], options: SpawnOptions): number {
  const actions = Buffer.alloc(ACTIONS_SIZE);
  check('posix_spawn_file_actions_init', posixSpawnFileActionsInit(actions));
  try {
    check('posix_spawn_file_actions_addchdir_np', posixSpawnFileActionsAddchdir(actions, options.cwd));
    for (const [target, fd] of options.stdio.entries()) {
      check('posix_spawn_file_actions_adddup2', posixSpawnFileActionsAdddup2(actions, fd, target));
    }
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    const pid: [number] = [0];
    const failure = posixSpawn(pid, path, {
      actions,
      attributes,
      argv: [path, ...args, null],
      envp: [...env, null],
    });
    check('posix_spawn', failure);
    return pid[0];
  } finally {
    posixSpawnFileActionsDestroy(actions);
  }
}

/** The same for every child. */
const attributes = createAttributes();

function createAttributes(): Buffer {
  const made = Buffer.alloc(ATTRIBUTES_SIZE);
  // sigfillset(3) would leave out those that glibc keeps for itself, and the child would find these ignored.
  const [none, all] = [Buffer.alloc(SIGNALS_SIZE, 0), Buffer.alloc(SIGNALS_SIZE, 0xff)];
  check('posix_spawnattr_init', posixSpawnattrInit(made));
  check('posix_spawnattr_setsigmask', posixSpawnattrSetsigmask(made, none));
  check('posix_spawnattr_setsigdefault', posixSpawnattrSetsigdefault(made, all));
  const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
  check('posix_spawnattr_setflags', posixSpawnattrSetflags(made, flags));
  return made;
}

/** These calls return the number of the error. */
function check(call: string, errno: number): void {
  if (errno !== 0) throw toPosixError(call, errno);
}
