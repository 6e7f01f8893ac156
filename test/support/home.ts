import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync, existsSync } from 'node:fs';
import { chown, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa, type Options, type Result, type ResultPromise } from 'execa';
import { afterAll, beforeAll, expect } from 'vitest';
import { waitUntil } from './guests.ts';
import { CALLER, makeDirectory, toSpawnOptions, type Caller } from './caller.ts';

export const SBX = fileURLToPath(new URL('../../bin/sbx', import.meta.url));

type BufferOptions = Options & { encoding: 'buffer' };

/** A user's `sbx` with a state directory of its own: what one test file, or one test, has to itself. */
export interface Home {
  readonly caller: Caller;
  readonly stateDir: string;
  /** What `sbx` runs with; the caller's own settings are not in it. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `sbx` to its end, whatever its status; output as text. */
  run(args: readonly string[], options?: Options): Promise<Result<Options & { encoding: 'utf8' }>>;
  /** Runs `sbx` to its end; output as bytes. */
  runBytes(args: readonly string[], options?: Options): Promise<Result<BufferOptions>>;
  /** Starts `sbx` and gives the child with its streams; nothing is buffered, a failure does not reject. */
  start(args: readonly string[], options?: Options): ResultPromise<{ buffer: false; reject: false }>;
  /** Makes a sandbox and gives its name. */
  createSandbox(...args: string[]): Promise<string>;
  /** Removes all sandboxes, stops the daemon, and fails if anything of this home is left. */
  close(): Promise<void>;
}

/**
 * The home of a test file: made before its first test, closed after its last, when it has to have left nothing. What
 * the file opens itself is closed before that.
 */
export function useHome(env: Readonly<Record<string, string>> = {}): Home {
  const stateDir = join(tmpdir(), `sbx-test-${randomUUID().slice(0, 8)}`);
  const home = createHome(stateDir, { env, caller: CALLER });
  beforeAll(async () => {
    await mkdir(stateDir, { mode: 0o700 });
    await chown(stateDir, CALLER.uid, CALLER.gid);
  });
  afterAll(() => home.close());
  return home;
}

/** A sandbox for all tests of a file. */
export function useSandbox(home: Home, name = `box-${randomUUID().slice(0, 8)}`): string {
  beforeAll(() => home.createSandbox(name));
  return name;
}

export async function openHome(env: Readonly<Record<string, string>> = {}, caller = CALLER): Promise<Home> {
  return createHome(await makeDirectory('sbx-test-', caller), { env, caller });
}

function createHome(
  stateDir: string,
  { env, caller }: { env: Readonly<Record<string, string>>; caller: Caller },
): Home {
  const all = { PATH: toPath(), HOME: caller.home, SBX_STATE_DIR: stateDir, ...env };
  const as = toSpawnOptions(caller);
  const base = {
    ...as,
    env: all,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    // A signal that a test sends is followed by no KILL of the library's.
    forceKillAfterDelay: false,
  } as const;
  const home: Home = {
    caller,
    stateDir,
    env: all,
    run: (args, options) => execa(SBX, args, { ...base, stdin: 'ignore', ...options }) as never,
    runBytes: (args, options) =>
      execa(SBX, args, {
        ...base,
        stdin: 'ignore',
        encoding: 'buffer',
        maxBuffer: 2 ** 30,
        ...options,
      }) as never,
    start: (args, options) => execa(SBX, args, { ...base, buffer: false, ...options }) as never,
    createSandbox: async (...args) => {
      const { stdout, stderr, exitCode } = await home.run(['create', ...args]);
      expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
      return (stdout as unknown as string).trim();
    },
    close: async () => {
      await closeHome(home);
    },
  };
  return home;
}

/** With the Node that `sbx` is to run with, where that is not the one of the tests. */
function toPath(): string {
  return [process.env['SBX_TEST_NODE'], process.env['PATH']].filter(Boolean).join(':');
}

async function closeHome(home: Home): Promise<void> {
  const { stdout } = await home.run(['ls', '-q']);
  const names = (stdout as unknown as string).split('\n').filter((name) => name !== '');
  if (names.length > 0) await home.run(['rm', ...names]);
  // What a killed server left is removed in the background.
  await waitUntil(() => listSandboxes(home.stateDir).length === 0);
  await home.run(['daemon', 'stop']);
  expect(findLeftovers(home.stateDir)).toEqual([]);
  await rm(home.stateDir, { recursive: true });
}

/** Processes, mounts, sockets and cgroups that carry the state directory, or ids of its sandboxes. */
export function findLeftovers(stateDir: string): string[] {
  const sandboxes = listSandboxes(stateDir);
  const marks = [stateDir, ...sandboxes];
  const isMarked = (text: string): boolean => marks.some((mark) => text.includes(mark));
  return [
    ...findProcesses(isMarked),
    ...readFileSync('/proc/self/mounts', 'utf8').split('\n').filter(isMarked),
    ...readFileSync('/proc/net/unix', 'utf8').split('\n').filter(isMarked),
    ...sandboxes.map((id) => `sandbox directory ${id}`),
  ];
}

function listSandboxes(stateDir: string): string[] {
  const directory = join(stateDir, 'sandboxes');
  return existsSync(directory) ? readdirSync(directory) : [];
}

function findProcesses(isMarked: (text: string) => boolean): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const place = `${command} ${readlinkSync(`/proc/${pid}/cwd`)} ${readFileSync(`/proc/${pid}/environ`, 'utf8')}`;
        return isMarked(place) ? [`process ${pid}: ${command}`] : [];
      } catch {
        // It has ended meanwhile, or is a zombie or a kernel thread.
        return [];
      }
    });
}
