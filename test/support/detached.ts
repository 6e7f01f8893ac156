import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { routes, type ExecRecord } from '../../src/protocol/api.ts';
import { callApi } from './api.ts';
import { makeMark, waitUntil } from './guests.ts';
import type { Home } from './home.ts';

/** A log of so many bytes is not in the server's memory any more when all of it is written. */
export const LONG_LOG = 30_000_000;

/** Starts a shell script without an owner client, with more options of `sbx exec` before it, and gives its id. */
export async function startDetachedShell(
  home: Home,
  sandbox: string,
  [script, ...options]: readonly [string, ...string[]],
): Promise<string> {
  const args = ['exec', '-d', ...options, sandbox, '--', 'sh', '-c', script];
  const { stdout, stderr, exitCode } = await home.run(args);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/);
  return String(stdout).trim();
}

/** Makes the script that waits for it go on: `until test -e /tmp/NAME; do sleep 0.05; done`. */
export async function release(home: Home, sandbox: string, name: string): Promise<void> {
  expect(await home.run(['exec', sandbox, 'touch', `/tmp/${name}`])).toMatchObject({ exitCode: 0 });
}

/** What waits in a script until it is released. */
export function toWait(name: string): string {
  return `until test -e /tmp/${name}; do sleep 0.05; done`;
}

export interface StepOptions {
  /** Shell commands, each of which writes something at once. */
  readonly steps: readonly [string, ...string[]];
  /** Before each of them but the first, in milliseconds. */
  readonly pauseMs?: number;
}

/**
 * Runs shell commands without an owner client, and gives the id when they have ended. Each of them begins when the log
 * has what the one before wrote.
 */
export async function runInSteps(
  home: Home,
  sandbox: string,
  { steps: [first, ...others], pauseMs = 0 }: StepOptions,
): Promise<string> {
  const later = others.map((command) => ({ command, mark: makeMark() }));
  const script = [first, ...later.map(({ command, mark }) => `${toWait(mark)}; ${command}`)].join('; ');
  const id = await startDetachedShell(home, sandbox, [script]);
  let size = 0;
  for (const { mark } of later) {
    const before = size;
    await waitUntil(async () => (size = await readLogSize(home, id)) > before);
    await delay(pauseMs);
    await release(home, sandbox, mark);
  }
  await home.run(['wait', id]);
  return id;
}

async function readLogSize(home: Home, id: string): Promise<number> {
  const { stdout, stderr } = await home.runBytes(['logs', id]);
  return toBuffer(stdout).length + toBuffer(stderr).length;
}

/** What `runBytes` gives, as what it is. */
export function toBuffer(output: unknown): Buffer {
  return Buffer.from(output as Uint8Array);
}

/** How many bytes of stdout the server has read of an exec. */
export async function readOutputSize(home: Home, id: string): Promise<number> {
  const { body } = await callApi(home, 'GET', { path: routes.exec(id) });
  return (body as ExecRecord).bytes.stdout;
}

/** While the beginning of a log on disk cannot be read. */
export async function withBrokenLog<T>(home: Home, id: string, use: () => Promise<T>): Promise<T> {
  const directory = join(home.stateDir, 'execs', id, 'log');
  const [first = ''] = (await readdir(directory)).filter((name) => name.includes('stdout')).sort();
  const [path, aside] = [first, 'aside'].map((name) => join(directory, name)) as [string, string];
  await rename(path, aside);
  await mkdir(path);
  try {
    return await use();
  } finally {
    await rmdir(path);
    await rename(aside, path);
  }
}
