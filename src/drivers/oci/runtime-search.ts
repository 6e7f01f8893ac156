import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { basename } from 'node:path';
import { findProgram } from './host-parts.ts';

/** In the order of preference. */
const KNOWN = ['crun', 'runc'];

/** A runtime that is there; whether it works is another question. */
export interface RuntimeCandidate {
  readonly name: string;
  /** Undefined when it is not installed. */
  readonly path: string | undefined;
}

/** The runtimes to try, or the one that was asked for by name or path. */
export function findRuntimes(asked: string | undefined): RuntimeCandidate[] {
  const names = asked === undefined ? KNOWN : [asked];
  return names.map((name) => ({ name: basename(name), path: findProgram(name) }));
}

/** The first line of `--version`, undefined where that fails. */
export async function readRuntimeVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 5000 });
    return /\d+(\.\d+)+\S*/.exec(stdout)?.[0];
  } catch {
    return undefined;
  }
}
