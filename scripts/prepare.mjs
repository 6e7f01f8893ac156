/**
 * What has to be there before anything can be built, shown or tested. Each step looks first and does nothing
 * when nothing is missing. Only Node's own modules: this file runs before there is a node_modules.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const sbx = path.join(root, 'bin/sbx');

/** Runs a program in the repository, on our own stdout and stderr; resolves with its exit status. */
export async function runForStatus(program, args) {
  const child = spawn(program, args, { cwd: root, stdio: 'inherit' });
  const [code, signal] = await once(child, 'exit');
  if (signal !== null) throw new Error(`${toCommandLine(program, args)} was ended by ${signal}`);
  return code;
}

/** The same for a program that has to succeed. */
export async function run(program, args) {
  const status = await runForStatus(program, args);
  if (status !== 0) throw new Error(`${toCommandLine(program, args)} exited with ${status}`);
}

export async function installDependencies() {
  if (await areDependenciesInstalled()) return;
  say('Installing the npm packages of package-lock.json');
  // Without install scripts: the packages with native code carry it prebuilt, as optional packages.
  await run('npm', [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
}

export async function buildProduct() {
  say('Building dist/');
  await run(process.execPath, ['scripts/build.mjs']);
}

/** The runtime and the init that sandboxes are made with, by the product's own command. */
export async function setUpRuntime() {
  say('Setting up a runtime: bin/sbx setup --yes');
  await run(sbx, ['setup', '--yes']);
}

export async function installTestPrograms() {
  await run('sh', ['scripts/test-programs.sh']);
}

export function say(text) {
  console.log(`\n==> ${text}`);
}

/** Runs `steps`; a failure of one is a sentence and an exit status, not a stack. */
export async function main(steps) {
  try {
    await steps();
  } catch (error) {
    console.error(`\nFailed: ${error.message}`);
    process.exitCode = 1;
  }
}

/**
 * npm keeps the lock of what it has installed; times of files would lie after a checkout. Optional packages may
 * be missing: they are for other machines.
 */
async function areDependenciesInstalled() {
  const wanted = await readLock('package-lock.json');
  const installed = await readLock('node_modules/.package-lock.json').catch(() => undefined);
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([name, { version, optional }]) => {
    if (name === '') return true; // the package itself
    const found = installed[name];
    return found === undefined ? optional === true : found.version === version;
  });
}

async function readLock(file) {
  return JSON.parse(await readFile(path.join(root, file), 'utf8')).packages;
}

function toCommandLine(program, args) {
  return [program === process.execPath ? 'node' : path.relative(root, program) || program, ...args].join(' ');
}
