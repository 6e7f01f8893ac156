import {
  routes,
  type CreateSandboxRequest,
  type ExecRecord,
  type HealthAnswer,
  type KillRequest,
  type SandboxStatus,
  type StartExecRequest,
  type StopRequest,
} from '../protocol/api.ts';
import { parseExecId } from '../protocol/names.ts';
import { requestJson } from './answers.ts';
import type { Connection } from './transport.ts';

/** The small requests of the API. Each throws the SbxError that the server answers with. */

export async function createSandbox(
  connection: Connection,
  request: CreateSandboxRequest,
): Promise<SandboxStatus> {
  const answer = await requestJson(connection, { method: 'POST', path: routes.sandboxes, json: request });
  return answer as SandboxStatus;
}

export async function listSandboxes(connection: Connection): Promise<SandboxStatus[]> {
  const answer = await requestJson(connection, { method: 'GET', path: routes.sandboxes });
  return (answer as { sandboxes: SandboxStatus[] }).sandboxes;
}

/** `name` may also be an id. */
export async function inspectSandbox(connection: Connection, name: string): Promise<SandboxStatus> {
  return (await requestJson(connection, { method: 'GET', path: routes.sandbox(name) })) as SandboxStatus;
}

/** `name` may also be an id. Resolves when nothing of it is left. */
export async function removeSandbox(connection: Connection, name: string): Promise<void> {
  await requestJson(connection, { method: 'DELETE', path: routes.sandbox(name) });
}

export interface ListExecsOptions {
  /** Only those that have not ended. */
  readonly active?: boolean;
  /** Name or id: only those in this sandbox. */
  readonly sandbox?: string | undefined;
}

export async function listExecs(
  connection: Connection,
  { active = false, sandbox }: ListExecsOptions = {},
): Promise<ExecRecord[]> {
  const query = new URLSearchParams({
    ...(active && { active: '1' }),
    ...(sandbox !== undefined && { sandbox }),
  });
  const path = query.size === 0 ? routes.execs : `${routes.execs}?${query.toString()}`;
  return ((await requestJson(connection, { method: 'GET', path })) as { execs: ExecRecord[] }).execs;
}

/**
 * `id` may be shortened to 8 characters or more.
 * @throws SbxError `invalid_exec_id`, without asking, for what cannot be one; `exec_not_found`, `exec_ambiguous`
 */
export async function inspectExec(connection: Connection, id: string): Promise<ExecRecord> {
  const path = routes.exec(parseExecId(id));
  return (await requestJson(connection, { method: 'GET', path })) as ExecRecord;
}

/**
 * Starts an exec that has no owner client. Resolves when its command runs, or has failed to start: that is the record's
 * `error`. The same request may be sent again where its answer was lost.
 */
export async function startDetached(
  connection: Connection,
  request: Omit<StartExecRequest, 'detached' | 'client' | 'window'>,
): Promise<ExecRecord> {
  const json: StartExecRequest = { ...request, detached: true };
  return (await requestJson(connection, { method: 'POST', path: routes.execs, json })) as ExecRecord;
}

/** Sends TERM, and KILL when that has not helped in `killAfterMs`; resolves when TERM was sent. `id` is a whole one. */
export async function killExec(
  connection: Connection,
  id: string,
  { killAfterMs }: { killAfterMs?: number | undefined } = {},
): Promise<void> {
  const json: KillRequest = killAfterMs === undefined ? {} : { kill_after_ms: killAfterMs };
  await requestJson(connection, { method: 'POST', path: routes.kill(id), json });
}

/** Sends one signal (`TERM`) to the process group of the command. `id` is a whole one. */
export async function signalExec(connection: Connection, id: string, signal: string): Promise<void> {
  await requestJson(connection, { method: 'POST', path: routes.signal(id), json: { signal } });
}

/** Removes the record and the log of an exec that has ended. `id` is a whole one. @throws SbxError `exec_running` */
export async function removeExec(connection: Connection, id: string): Promise<void> {
  await requestJson(connection, { method: 'DELETE', path: routes.exec(id) });
}

export async function readHealth(connection: Connection): Promise<HealthAnswer> {
  return (await requestJson(connection, { method: 'GET', path: routes.health })) as HealthAnswer;
}

export interface StopOptions {
  /** Only where nothing runs. */
  readonly ifIdle: boolean;
  /** How long execs that have an owner client may take to end by themselves, in milliseconds; at once without it. */
  readonly waitMs?: number;
}

/** Asks the server to stop. @throws SbxError `busy` with `ifIdle` while something runs */
export async function requestStop(
  connection: Connection,
  { ifIdle, waitMs = 0 }: StopOptions,
): Promise<void> {
  const json: StopRequest = { if_idle: ifIdle, ...(waitMs > 0 && { wait_ms: waitMs }) };
  await requestJson(connection, { method: 'POST', path: routes.stop, json });
}
