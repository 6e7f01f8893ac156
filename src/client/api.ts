import { routes, type CreateSandboxRequest, type HealthAnswer, type SandboxStatus } from '../protocol/api.ts';
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

export async function readHealth(connection: Connection): Promise<HealthAnswer> {
  return (await requestJson(connection, { method: 'GET', path: routes.health })) as HealthAnswer;
}

/** Asks the server to stop. @throws SbxError `busy` with `ifIdle` while something runs */
export async function requestStop(connection: Connection, options: { ifIdle: boolean }): Promise<void> {
  const json = { if_idle: options.ifIdle };
  await requestJson(connection, { method: 'POST', path: routes.stop, json });
}
