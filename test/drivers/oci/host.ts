import { randomUUID } from 'node:crypto';
import { openOciDriver } from '../../../src/drivers/oci/open-driver.ts';

/**
 * A process that hosts a driver as the daemon does, for tests that kill it: `host.mjs STATE_DIR RUNTIME SCRIPT`.
 * Makes a sandbox, starts the shell script in it, prints the sandbox's id and lives until it is killed.
 */
const [stateDir = '', runtime = '', script = ''] = process.argv.slice(2);
const driver = await openOciDriver({ stateDir, runtime, log: console.error });
const sandboxId = randomUUID();
await driver.createSandbox({ id: sandboxId, name: 'web', network: 'none' });
const exec = await driver.startExec({
  id: randomUUID(),
  sandboxId,
  argv: ['sh', '-c', script],
  env: new Map(),
  cwd: undefined,
  user: undefined,
  stdin: 'pipe',
});
exec.stdout.open({
  data: () => {
    console.log(sandboxId);
    return true;
  },
  end: () => undefined,
});
setInterval(() => undefined, 60_000);
