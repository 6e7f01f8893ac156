import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Driver, ExecProcess, ExecSpec, NetworkMode } from '../../../src/drivers/driver.ts';
import { openOciDriver } from '../../../src/drivers/oci/open-driver.ts';
import { findRuntimes } from '../../../src/drivers/oci/runtime-search.ts';
import type { Exit } from '../../../src/protocol/exit.ts';
import { readProcessStat, type ProcessStat } from '../../../src/posix/process-stat.ts';

/** The runtimes of this machine. */
export const RUNTIMES = findRuntimes(undefined)
  .filter(({ path }) => path !== undefined)
  .map(({ name }) => name);

export interface Finished {
  readonly exit: Exit;
  readonly stdout: string;
  readonly stderr: string;
}

/** A driver with a state directory of its own. */
export interface TestBed {
  readonly stateDir: string;
  readonly driver: Driver;
  createSandbox(network?: NetworkMode): Promise<string>;
  start(sandboxId: string, argv: readonly string[], more?: Partial<ExecSpec>): Promise<ExecProcess>;
  /** Runs to the end with nothing on stdin, unless `input` says so. */
  run(
    sandboxId: string,
    argv: readonly string[],
    more?: Partial<ExecSpec> & { input?: Uint8Array },
  ): Promise<Finished>;
  close(): Promise<void>;
}

export async function openTestBed(
  runtime: string,
  stateDir = mkdtempSync(join(tmpdir(), 'sbx-oci-')),
): Promise<TestBed> {
  const log: string[] = [];
  const driver = await openOciDriver({ stateDir, runtime, log: (line) => log.push(line) });
  const sandboxes: string[] = [];
  const start: TestBed['start'] = (sandboxId, argv, more = {}) =>
    driver.startExec({
      id: randomUUID(),
      sandboxId,
      argv,
      env: new Map(),
      cwd: undefined,
      user: undefined,
      stdin: 'null',
      ...more,
    });
  return {
    stateDir,
    driver,
    start,
    async createSandbox(network = 'none') {
      const id = randomUUID();
      await driver.createSandbox({ id, name: 'web', network });
      sandboxes.push(id);
      return id;
    },
    async run(sandboxId, argv, { input, ...more } = {}) {
      const exec = await start(sandboxId, argv, input ? { ...more, stdin: 'pipe' } : more);
      const outputs = [gather(exec.stdout), gather(exec.stderr)];
      if (input) exec.stdin!.write(input, () => exec.stdin!.end());
      const exit = await exec.ended;
      const [stdout = '', stderr = ''] = (await Promise.all(outputs)).map(String);
      return { exit, stdout, stderr };
    },
    async close() {
      for (const id of sandboxes) await driver.removeSandbox(id);
      await driver.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** All bytes of a pipe, until its last writer has closed it. */
export function gather(pipe: ExecProcess['stdout']): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    pipe.open({
      data(chunk) {
        chunks.push(Buffer.from(chunk));
        return true;
      },
      end: () => resolve(Buffer.concat(chunks)),
    });
  });
}

/** Resolves once the pipe has brought `text`. */
export function waitForOutput(pipe: ExecProcess['stdout'], text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = '';
    pipe.open({
      data(chunk) {
        seen += Buffer.from(chunk).toString();
        if (seen.includes(text)) resolve();
        return true;
      },
      end: () => reject(new Error(`The pipe ended with: ${seen}`)),
    });
  });
}

/** The children of this process, zombies too. */
export function listChildren(): ProcessStat[] {
  const text = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
  const children = text
    .split(' ')
    .filter(Boolean)
    .map((pid) => readProcessStat(Number(pid)));
  return children.filter((stat) => stat !== undefined);
}
