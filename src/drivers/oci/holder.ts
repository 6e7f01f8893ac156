import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  createMountNamespace,
  isInMountNamespaceOf,
  joinMountNamespace,
} from '../../posix/mount-namespace.ts';
import { hasEnded, waitForEnd, type KnownProcess } from '../../posix/process-end.ts';
import { readProcessStat } from '../../posix/process-stat.ts';
import { hideUnified } from './hybrid-cgroups.ts';
import { moveLayersToMemory } from './memory-layers.ts';
import { HOST_PATH } from './runtime.ts';
import type { StateLayout } from './state-layout.ts';

/** Of a process that only sleeps, and was killed: nothing but the kernel is waited for. */
const END_LIMIT_MS = 5000;

/**
 * Moves this process into the mount namespace that all daemons of one state directory share. It belongs to a *holder*,
 * a process that only sleeps and outlives the daemon as the sandboxes do. What is mounted for them is not in this
 * machine's own table, and a cgroup layout that crun refuses is out of its sight.
 *
 * Where this machine allows no such namespace, that is logged and everything stays as it is.
 */
export function joinHolder(layout: StateLayout, log: (line: string) => void): void {
  const holder = findHolder(layout);
  try {
    if (holder === undefined) createMountNamespace();
    // A plain user's program has started in it.
    else if (!isInMountNamespaceOf(holder)) joinMountNamespace(holder);
    hideUnified();
    moveLayersToMemory(layout);
  } catch (error) {
    return log(`Cannot enter a mount namespace of our own, going on without: ${String(error)}`);
  }
  if (holder === undefined) startHolder(layout);
}

/** Ends the holder; for a moment when there is nothing left that needs it. It has gone when the promise resolves. */
export async function endHolder(layout: StateLayout): Promise<void> {
  const holder = findRecorded(layout);
  if (holder !== undefined) {
    process.kill(holder.pid, 'SIGKILL');
    await waitForEnd(holder, END_LIMIT_MS);
  }
  rmSync(layout.holderRecord, { force: true });
}

/** It inherits the namespace that this process has just entered. */
function startHolder(layout: StateLayout): void {
  const holder = spawn('sleep', ['infinity'], {
    stdio: 'ignore',
    cwd: '/',
    env: { PATH: HOST_PATH, ...toHolderEnv(layout) },
    detached: true,
  });
  holder.on('error', () => undefined);
  holder.unref();
  recordHolder(layout, holder);
}

/** For people: the environment says what the process is for. */
export function toHolderEnv(layout: StateLayout): Record<string, string> {
  return { SBX_HOLDER_OF: layout.stateDir };
}

/** Notes its number for the daemons to come, and gives it; ends it where that cannot be done. */
export function recordHolder(layout: StateLayout, holder: ChildProcess): number {
  if (holder.pid === undefined)
    throw new Error('Cannot start sleep, which holds the mount namespace of the sandboxes');
  const startTime = readProcessStat(holder.pid)?.startTime;
  try {
    writeFileSync(layout.holderRecord, JSON.stringify({ pid: holder.pid, startTime }), { mode: 0o600 });
  } catch (error) {
    holder.kill('SIGKILL');
    throw error;
  }
  return holder.pid;
}

/** The recorded holder, if it is still that process: its number alone may have gone to another. */
export function findHolder(layout: StateLayout): number | undefined {
  return findRecorded(layout)?.pid;
}

function findRecorded(layout: StateLayout): KnownProcess | undefined {
  try {
    const record = JSON.parse(readFileSync(layout.holderRecord, 'utf8')) as KnownProcess;
    return hasEnded(record) ? undefined : record;
  } catch {
    return undefined;
  }
}
