import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDirectory } from '../support/caller.ts';
import { SBX, useHome } from '../support/home.ts';

const home = useHome();
let directory: string;

beforeAll(async () => {
  directory = await makeDirectory('sbx-failures-');
});
afterAll(() => rm(directory, { recursive: true }));

/** Node with a fault of this kind in the program that it runs. */
async function toFaulty(fault: string): Promise<{ NODE_OPTIONS: string }> {
  const path = join(directory, 'fault.cjs');
  await writeFile(path, fault);
  return { NODE_OPTIONS: `--require ${path}` };
}

describe('a failure of sbx itself is never the status of a command', () => {
  it.each([
    ['an exception that nobody catches', 'process.nextTick(() => { throw new Error("a bug") })'],
    ['a rejection that nobody handles', 'process.nextTick(() => Promise.reject(new Error("a bug")))'],
  ])('%s', async (_name, fault) => {
    const env = { ...home.env, ...(await toFaulty(fault)) };
    const { exitCode, stdout, stderr } = await home.run(['ls', '--host', 'unix:///nowhere'], { env });
    expect({ exitCode, stdout }).toEqual({ exitCode: 125, stdout: '' });
    expect(stderr).toMatch(/^sbx: Error: a bug\n {4}at .*\n/);
  });

  it('a program that has nothing left to wait for before its end', async () => {
    const fault = `
      require('node:net').Socket.prototype.connect = function () { return this; };
      globalThis.setTimeout = () => undefined;`;
    const env = { ...home.env, ...(await toFaulty(fault)) };
    const { exitCode, stderr } = await home.run(['ls', '--host', 'unix:///nowhere'], { env });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 125,
      stderr: 'sbx: nothing is left to wait for, and the command has no end: this is a bug in sbx\n',
    });
  });

  it('no Node on the PATH', async () => {
    const bin = join(directory, 'bin');
    await mkdir(bin);
    await symlink('/bin/sh', join(bin, 'sh'));
    const { exitCode, stderr } = await home.run(['exec', '--', 'true'], { env: { ...home.env, PATH: bin } });
    expect(stderr).toBe(
      'sbx: Cannot start: there is no node on the PATH\nsbx: hint: Install Node, or add its directory to PATH\n',
    );
    expect(exitCode).toBe(125);
  });

  it('options in the environment that Node refuses', async () => {
    const env = { ...home.env, NODE_OPTIONS: '--no-such-option' };
    const { exitCode, stderr } = await home.run(['version'], { env });
    expect(stderr).toContain('sbx: Cannot start Node: it refuses NODE_OPTIONS\n');
    expect(exitCode).toBe(125);
  });

  it('a clone that was not built', async () => {
    const clone = join(directory, 'clone');
    await cp(dirname(SBX), join(clone, 'bin'), { recursive: true });
    const started = await execa(join(clone, 'bin/sbx'), ['version'], { env: home.env, reject: false });
    expect(started.stderr).toContain('sbx: there is no build: ');
    expect(started.stderr).toContain('\nsbx: hint: Build it with: npm run build');
    expect(started.exitCode).toBe(125);
  });
});
