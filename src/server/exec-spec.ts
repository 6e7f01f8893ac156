import type { ExecSpec } from '../drivers/driver.ts';
import type { StartExecRequest } from '../protocol/api.ts';

/** What the driver is asked to start. */
export function toExecSpec(request: StartExecRequest, sandboxId: string): ExecSpec {
  const { id, argv, env = {}, cwd, user, stdin = 'null' } = request;
  return { id, sandboxId, argv, env: new Map(Object.entries(env)), cwd, user, stdin };
}
