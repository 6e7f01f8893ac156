import { randomUUID } from 'node:crypto';
import type { Driver, ExecProcess } from '../driver.ts';

/** Makes a sandbox, runs a command in it and removes it. Throws what goes wrong. */
export async function trySandbox(driver: Driver): Promise<void> {
  const id = randomUUID();
  await driver.createSandbox({ id, name: 'trial', network: 'none' });
  try {
    const exec = await driver.startExec({
      id: randomUUID(),
      sandboxId: id,
      argv: ['true'],
      env: new Map(),
      cwd: undefined,
      user: undefined,
      stdin: 'null',
    });
    closePipes(exec);
    const exit = await exec.ended;
    if (!('code' in exit) || exit.code !== 0) throw new Error(`true ended with ${JSON.stringify(exit)}`);
  } finally {
    await driver.removeSandbox(id);
  }
}

function closePipes(exec: ExecProcess): void {
  exec.stdin?.destroy();
  exec.stdout.close();
  exec.stderr.close();
}
