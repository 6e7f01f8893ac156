import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { expect } from 'vitest';
import type { Home } from './home.ts';
import { runShell } from './shell.ts';

/** Programs inside a sandbox, as their users would type them. */
export interface NodeInside {
  /** The Node that runs these tests. */
  readonly node: readonly string[];
  readonly npm: readonly string[];
}

/**
 * Makes Node and npm be there in a sandbox. It sees the host's /usr and /opt; what lies elsewhere is copied in.
 */
export async function bringNode(home: Home, sandbox: string): Promise<NodeInside> {
  const node = await bring(home, sandbox, process.execPath);
  const found = realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());
  const npm = await bring(home, sandbox, dirname(dirname(found)));
  return { node: [node], npm: [node, `${npm}/bin/${basename(found)}`] };
}

/** Gives the path inside of a file or directory of this machine. */
async function bring(home: Home, sandbox: string, path: string): Promise<string> {
  if (/^\/(usr|opt)\//.test(path)) return path;
  await copyIn(home, sandbox, { from: dirname(path), names: [basename(path)], to: '/opt/brought' });
  return `/opt/brought/${basename(path)}`;
}

export interface Copy {
  readonly from: string;
  readonly names: readonly string[];
  readonly to: string;
}

/** Copies files and directories in, as a user does without any command of ours for it: a tar on each side. */
export async function copyIn(home: Home, sandbox: string, { from, names, to }: Copy): Promise<void> {
  const script =
    'set -o pipefail; box=$1 from=$2 to=$3; shift 3; tar -C "$from" -c -- "$@" | sbx exec --stream "$box" -- sh -c \'mkdir -p "$1" && tar -C "$1" -x\' sh "$to"';
  const result = await runShell(home, script, [sandbox, from, to, ...names]);
  expect(result).toEqual({ stdout: '', stderr: '', exitCode: 0 });
}
