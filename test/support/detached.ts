import { expect } from 'vitest';
import type { Home } from './home.ts';

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

/** What `runBytes` gives, as what it is. */
export function toBuffer(output: unknown): Buffer {
  return Buffer.from(output as Uint8Array);
}
