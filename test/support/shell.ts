import { dirname } from 'node:path';
import { execa, type Options, type ResultPromise } from 'execa';
import { toSpawnOptions } from './caller.ts';
import { SBX, type Home } from './home.ts';

export interface ShellResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
}

/** Both ways of `sbx exec`, for `describe.each` and `it.each`. */
export const MODES = [
  { mode: 'buffered', flags: [] },
  { mode: 'streaming', flags: ['--stream'] },
] as const;

/**
 * Runs a bash script in which `sbx` is this build and belongs to `home`; "$@" are `args`.
 * What a shell makes is what a user has: real pipes, closed descriptors, statuses of a pipeline.
 */
export async function runShell(
  home: Home,
  script: string,
  args: readonly string[] = [],
): Promise<ShellResult> {
  const { stdout, stderr, exitCode } = await execa('bash', ['-c', script, 'bash', ...args], {
    ...toShellOptions(home),
    stdin: 'ignore',
  });
  return { stdout, stderr, exitCode };
}

/** The same, started: with its streams, and nothing buffered. */
export function startShell(
  home: Home,
  script: string,
  args: readonly string[] = [],
): ResultPromise<{ buffer: false; reject: false }> {
  return execa('bash', ['-c', script, 'bash', ...args], { ...toShellOptions(home), buffer: false }) as never;
}

/** The same for a program that starts commands itself. */
export function toShellCommand(
  home: Home,
  script: string,
  args: readonly string[],
): { command: string; args: string[]; env: Record<string, string> } {
  const { uid, gid } = home.caller;
  const asCaller = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
  const all = [...asCaller, 'bash', '-c', script, 'bash', ...args];
  return { command: 'setpriv', args: all, env: toShellOptions(home).env };
}

function toShellOptions({ env, caller }: Home) {
  const path = `${dirname(SBX)}:${env['PATH'] ?? ''}`;
  return {
    ...toSpawnOptions(caller),
    env: { ...env, PATH: path },
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
  } satisfies Options;
}
