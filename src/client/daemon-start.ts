import { spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statfsSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SbxError } from '../protocol/errors.ts';
import { readDaemonFile, toDaemonFilePath } from '../state/daemon-file.ts';
import { preparePrivateDirectory } from '../state/private-directory.ts';
import type { DaemonOptions } from './daemon.ts';

/** Cold starts on slow machines take seconds; nothing takes this long, in milliseconds. */
const START_LIMIT_MS = 30_000;
/** How long a daemon that cannot be reached may hold the lock: that of one on its way out, in milliseconds. */
const LEAVING_MS = 15_000;
/** The pause before the lock is tried again, in milliseconds. */
const LOCKED_MS = 200;
/** The same where its file is there and cannot be read: it is written whole, and mends itself no more. */
const BROKEN_MS = 1_000;
const LOG_LIMIT = 4 * 1024 * 1024;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A daemon that was started, with the place in its log where its own words begin. */
interface Start {
  readonly child: ChildProcess;
  readonly logOffset: number;
}

/**
 * Starts a daemon and waits until `find` finds one, which may be another's: only one gets the lock.
 * @throws SbxError `daemon_failed`, `state_dir_unusable`
 */
export async function startDaemon<T>(options: DaemonOptions, find: () => Promise<T | undefined>): Promise<T> {
  const begun = performance.now();
  let start = spawnDaemon(options);
  try {
    for (;;) {
      await sleep(start.child.exitCode === 0 ? LOCKED_MS : 10, undefined, { signal: options.signal });
      const found = await find();
      if (found !== undefined) return found;
      start = checkStart(start, options, performance.now() - begun);
    }
  } finally {
    start.child.unref();
    start.child.removeAllListeners();
  }
}

/** Goes on with this start, or with a new one where the lock was taken. @throws SbxError `daemon_failed` */
function checkStart(start: Start, options: DaemonOptions, waitedMs: number): Start {
  const { child } = start;
  const hasEnded = child.exitCode !== null || child.signalCode !== null;
  if (hasEnded && child.exitCode !== 0) throw toFailure(start, options.stateDir);
  if (!hasEnded && waitedMs > START_LIMIT_MS) {
    child.kill('SIGKILL');
    throw toFailure(start, options.stateDir);
  }
  if (!hasEnded) return start;
  const file = toDaemonFilePath(options.stateDir);
  const isBroken = existsSync(file) && readDaemonFile(options.stateDir) === undefined;
  if (waitedMs < (isBroken ? BROKEN_MS : LEAVING_MS)) return spawnDaemon(options);
  const why = isBroken
    ? `one lives, and ${file} cannot be read`
    : `another process holds ${join(options.stateDir, 'lock')} and answers to nobody`;
  throw new SbxError('daemon_failed', `Cannot start the daemon: ${why}`, {
    hint: `See who it is with: fuser ${join(options.stateDir, 'lock')}`,
  });
}

/** In a session of its own, with a clean environment and nothing of our descriptors. */
function spawnDaemon({ stateDir, uid, program, runtime }: DaemonOptions): Start {
  preparePrivateDirectory(stateDir, uid);
  const [file, ...args] = program;
  const log = openLog(stateDir);
  try {
    const runtimeArgs = runtime === undefined ? [] : ['--runtime', runtime];
    const child = spawn(file, [...args, '--state-dir', stateDir, ...runtimeArgs], {
      detached: true,
      cwd: '/',
      env: { PATH, LANG: 'C.UTF-8' },
      stdio: ['ignore', log, log],
    });
    // A program that cannot be started has no exit code; its error is told as that of the start.
    child.on('error', () => undefined);
    return { child, logOffset: fstatSync(log).size };
  } finally {
    closeSync(log);
  }
}

function openLog(stateDir: string): number {
  const path = join(stateDir, 'daemon.log');
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  try {
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    if (fstatSync(fd).size > LOG_LIMIT) ftruncateSync(fd);
    return fd;
  } catch (cause) {
    throw toLogError(path, cause as NodeJS.ErrnoException);
  }
}

function toLogError(path: string, cause: NodeJS.ErrnoException): SbxError {
  const code = cause.code === 'ENOSPC' ? 'disk_full' : 'state_dir_unusable';
  return new SbxError(code, `Cannot write ${path}: ${cause.message}`, { cause });
}

/** The daemon's last words are the reason, in the form in which it prints errors for people. */
function toFailure({ child, logOffset }: Start, stateDir: string): SbxError {
  const path = join(stateDir, 'daemon.log');
  const [line = '', hint] = readLastError(path, logOffset);
  if (line === '' && statfsSync(stateDir).bavail === 0) {
    return new SbxError('disk_full', `The daemon did not start: the disk under ${stateDir} is full`);
  }
  const how = child.signalCode ?? child.exitCode ?? 'still starting';
  return new SbxError(
    'daemon_failed',
    line || `The daemon did not start (${String(how)}); its log is ${path}`,
    hint === undefined ? {} : { hint },
  );
}

function readLastError(path: string, offset: number): string[] {
  const lines = readFileSync(path).subarray(offset).toString().trimEnd().split('\n');
  const start = lines.findLastIndex((line) => line.startsWith('sbx: ') && !line.startsWith('sbx: hint: '));
  return lines.slice(start, start + 2).map((line) => line.replace(/^sbx: (hint: )?/, ''));
}
