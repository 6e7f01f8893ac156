import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { routes, type ExecRecord, type StartExecRequest } from '../../src/protocol/api.ts';
import { SseParser, type SseEvent } from '../../src/protocol/sse.ts';
import type { Home } from './home.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Pid and socket of the home's daemon, as it tells them itself. */
export function readDaemon(home: Home): { pid: number; socket: string } {
  return JSON.parse(readFileSync(join(home.stateDir, 'daemon.json'), 'utf8')) as {
    pid: number;
    socket: string;
  };
}

/** One request of the native API, with node:http and nothing of our client. */
export async function callApi(
  home: Home,
  method: 'GET' | 'POST',
  call: { path: string; json?: unknown },
): Promise<ApiAnswer> {
  return toAnswer(await send(home, { method, ...call }));
}

/** Sends bytes of stdin in a body. */
export async function sendStdin(home: Home, path: string, bytes: string): Promise<ApiAnswer> {
  return toAnswer(await send(home, { method: 'POST', path, bytes }));
}

async function toAnswer(answer: IncomingMessage): Promise<ApiAnswer> {
  const chunks: Buffer[] = await answer.toArray();
  const text = Buffer.concat(chunks).toString();
  return { status: answer.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) };
}

/** The records of all execs whose argv has `mark` in one of its words. */
export async function findExecs(home: Home, mark: string): Promise<ExecRecord[]> {
  const { body } = await callApi(home, 'GET', { path: routes.execs });
  const { execs } = body as { execs: ExecRecord[] };
  return execs.filter(({ argv }) => argv.some((word) => word.includes(mark)));
}

/**
 * Starts an exec and follows it to the end of its stream; `onEvent` sees each event as it comes.
 * Resolves with all of them.
 */
export async function followExec(
  home: Home,
  start: Omit<StartExecRequest, 'id'>,
  onEvent: (event: SseEvent, id: string) => void = () => undefined,
): Promise<SseEvent[]> {
  const id = randomUUID();
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => {
    events.push(event);
    onEvent(event, id);
  });
  const answer = await send(home, {
    method: 'POST',
    path: routes.execs,
    json: { id, ...start },
    accept: 'text/event-stream',
  });
  for await (const chunk of answer) parser.push(chunk as Buffer);
  return events;
}

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly json?: unknown;
  readonly bytes?: string;
  readonly accept?: string;
}

async function send(home: Home, { method, path, json, bytes, accept }: Call): Promise<IncomingMessage> {
  const headers = {
    'sbx-protocol': '1',
    ...(accept !== undefined && { accept }),
    ...(json !== undefined && { 'content-type': 'application/json' }),
    ...(bytes !== undefined && { 'content-type': 'application/octet-stream' }),
  };
  const call = request({ socketPath: readDaemon(home).socket, method, path, headers, agent: false });
  call.end(json === undefined ? bytes : JSON.stringify(json));
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  return answer;
}
