import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exit } from '../../protocol/exit.ts';
import { readWithPatience } from '../../posix/lack-of-descriptors.ts';
import type { PollWatcher } from '../../posix/poll-watcher.ts';
import { readProcessStat, type ProcessStat } from '../../posix/process-stat.ts';
import type { ExecProcess, ExecSpec } from '../driver.ts';
import {
  closeChildEnds,
  closeOurEnds,
  createChildPipes,
  readWrittenErrors,
  type ChildPipes,
} from './child-pipes.ts';
import type { ChildReaper } from './child-reaper.ts';
import { toExecProcess } from './exec-process.ts';
import { openInputPipe } from './input-pipe.ts';
import { countMemoryKills } from './out-of-memory.ts';
import { openOutputPipe } from './output-pipe.ts';
import { readRuntimeErrors } from './runtime-log.ts';
import type { OciRuntime } from './runtime.ts';
import { signalGroup } from './send-signal.ts';
import type { SessionKiller } from './session-killer.ts';
import { toStartFailure } from './start-failure.ts';
import type { Warden } from './warden.ts';

/** What starting a command needs of the driver. */
export interface ExecTools {
  readonly reaper: ChildReaper;
  readonly watcher: PollWatcher;
  readonly warden: Warden;
  readonly sessions: SessionKiller;
  /** A directory for files that live as long as a start. */
  readonly starting: string;
}

export interface ExecStart {
  readonly spec: ExecSpec;
  /** The `process` object of the OCI specification. */
  readonly settings: object;
  /** The one that made the sandbox. */
  readonly runtime: OciRuntime;
  readonly pidNamespace: string | undefined;
  /** The sandbox's own; undefined where it has none. */
  readonly cgroup: string | undefined;
}

/** Starts a command and resolves once it has replaced the runtime's own code; rejects with why it could not. */
export async function startProcess(start: ExecStart, tools: ExecTools): Promise<ExecProcess> {
  const files = toStartFiles(tools.starting, start.spec.id);
  const pipes = createChildPipes(start.spec.stdin);
  try {
    const child = await runRuntime(start, { files, pipes, tools });
    tools.warden.guard(files.pid, child);
    return await openExec(start, child, { files, pipes, tools });
  } catch (error) {
    tools.warden.forget(files.pid);
    closeOurEnds(pipes);
    throw error;
  } finally {
    for (const path of [files.process, files.pid, files.log]) rmSync(path, { force: true });
  }
}

interface Attempt {
  readonly files: StartFiles;
  readonly pipes: ChildPipes;
  readonly tools: ExecTools;
}

interface StartFiles {
  readonly process: string;
  readonly pid: string;
  readonly log: string;
}

function toStartFiles(dir: string, id: string): StartFiles {
  return { process: join(dir, `${id}.json`), pid: join(dir, `${id}.pid`), log: join(dir, `${id}.log`) };
}

async function runRuntime(
  { spec, settings, runtime }: ExecStart,
  { files, pipes, tools }: Attempt,
): Promise<ProcessStat> {
  let ended: Promise<Exit>;
  try {
    writeFileSync(files.process, JSON.stringify(settings), { mode: 0o600 });
    tools.warden.announce(files.pid);
    ended = tools.reaper.reap(runtime.start(toArguments(spec, files), pipes.child));
  } finally {
    closeChildEnds(pipes);
  }
  const exit = await ended;
  // A command may run by now, which nobody knows of but by this file.
  const pid = await readWithPatience(() => readPid(files.pid));
  if (pid !== undefined) {
    const stat = await waitForExec(pid);
    if (stat.hasExecuted && 'code' in exit && exit.code === 0) return stat;
    await tools.reaper.reap(pid);
  }
  tools.reaper.expectLeftovers();
  throw toStartFailure(spec, await readWithPatience(() => readWords(files, pipes)));
}

/** crun tells why in its log, runc on what would be the command's stderr, where no command ever ran. */
function readWords(files: StartFiles, pipes: ChildPipes): string {
  return readRuntimeErrors(files.log) || readWrittenErrors(pipes);
}

function toArguments(spec: ExecSpec, files: StartFiles): string[] {
  const log = ['--log', files.log, '--log-format', 'json'];
  return [...log, 'exec', '--detach', '--pid-file', files.pid, '--process', files.process, spec.sandboxId];
}

function readPid(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The runtime may end before its child has called exec(2). The kernel marks a process that has not, also when it
 * has ended, so whether the command itself ever ran is certain.
 */
async function waitForExec(pid: number): Promise<ProcessStat> {
  for (;;) {
    const stat = await readWithPatience(() => readProcessStat(pid));
    if (stat === undefined) throw new Error(`Process ${pid} of a command was reaped by somebody else`);
    if (stat.hasExecuted || stat.state === 'Z') return stat;
    await delay(1);
  }
}

async function openExec(
  { pidNamespace, cgroup }: ExecStart,
  stat: ProcessStat,
  { files, pipes, tools }: Attempt,
): Promise<ExecProcess> {
  const killsBefore = countMemoryKills(cgroup);
  const reaped = tools.reaper.reap(stat.pid);
  const forget = (): void => tools.warden.forget(files.pid);
  reaped.then(forget, forget);
  try {
    return toExecProcess({
      stat,
      reaped,
      stdin: pipes.stdin === undefined ? null : openInputPipe(pipes.stdin, tools.watcher),
      stdout: openOutputPipe(pipes.stdout),
      stderr: openOutputPipe(pipes.stderr),
      pidNamespace,
      sessions: tools.sessions,
      lackedMemory: () => countMemoryKills(cgroup) > killsBefore,
    });
  } catch (error) {
    // It runs, and nobody else would end it.
    signalGroup(stat, 'KILL');
    await reaped.catch(() => undefined);
    throw error;
  }
}
