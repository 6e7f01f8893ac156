import type { StartExecRequest } from '../../protocol/api.ts';
import type { ExecOptions } from '../commands/exec.ts';

/** What the server is asked for, but for stdin and what an owner client says of itself. */
export function toStartRequest({
  id,
  sandbox,
  argv,
  env,
  cwd,
  user,
  timeoutMs,
  killAfterMs,
  network,
  lasting,
}: ExecOptions & { readonly id: string }): Omit<StartExecRequest, 'stdin' | 'window' | 'client'> {
  const { hasLog, logBytes, graceMs, onDisconnect } = lasting;
  return {
    id,
    argv,
    env,
    ...(sandbox !== undefined && { sandbox }),
    ...(network !== undefined && { network }),
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
    ...(timeoutMs !== undefined && { timeout_ms: timeoutMs }),
    ...(killAfterMs !== undefined && { kill_after_ms: killAfterMs }),
    ...(hasLog && { log: true }),
    ...(logBytes !== undefined && { log_bytes: logBytes }),
    ...(graceMs !== undefined && { reconnect_grace_ms: graceMs }),
    ...(onDisconnect !== undefined && { on_disconnect: onDisconnect }),
  };
}
