import type { FastifyInstance, FastifyReply } from 'fastify';
import {
  PROTOCOL,
  type AckRequest,
  type AttachRequest,
  type CloseRequest,
  type KillRequest,
  type LeaveRequest,
  type SignalRequest,
  type StartExecRequest,
  type StdinEndRequest,
  type VersionAnswer,
} from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import type { HelloEvent } from '../../protocol/events.ts';
import { serverSentEvents } from '../event-format.ts';
import { EventStream, type OpenStream } from '../event-stream.ts';
import type { ExecReader } from '../exec-reader.ts';
import type { ExecRegistry } from '../exec-registry.ts';
import type { Exec } from '../exec.ts';
import type { Turns } from '../turns.ts';
import type { AppOptions } from './app.ts';
import { parseEventsQuery, type EventsQuery } from './events-query.ts';
import { requireValid } from './require-valid.ts';
import {
  ackSchema,
  attachSchema,
  closeSchema,
  eventsSchema,
  execSchema,
  findExecSchema,
  killSchema,
  leaveSchema,
  listExecsSchema,
  signalSchema,
  startExecSchema,
  stdinEndSchema,
  stdinSchema,
} from './schemas.ts';

interface ById {
  Params: { id: string };
}

const SSE = 'text/event-stream';
const SSE_HEADERS = {
  'content-type': SSE,
  'cache-control': 'no-store',
  // Tells nginx not to hold events back.
  'x-accel-buffering': 'no',
};

/** Execs: started and shown in one request or in two, and steered by small requests of their own. */
export function addExecRoutes(app: FastifyInstance, options: AppOptions, turns: Turns): void {
  const open: Open = (reply) => (source, from) => {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, SSE_HEADERS);
    const isGone = raw.destroyed || raw.socket === null || raw.socket.destroyed;
    const stream = new EventStream(raw, source, {
      connection: raw.socket ?? undefined,
      turns,
      from,
      format: serverSentEvents,
      isGone,
    });
    stream.send(toHello(options.health()));
    return stream;
  };
  addStartRoute(app, options, open);
  addReadRoutes(app, options, open);
  addControlRoutes(app, options);
  addStdinRoutes(app, options);
}

export function toHello({ instance, version }: VersionAnswer): HelloEvent {
  return { type: 'hello', instance, protocol: PROTOCOL, version };
}

/**
 * Starts an exec whose client reads it from the beginning. Where it is the same start again, that client has not seen
 * the answer to the first.
 */
export async function startShown(
  execs: ExecRegistry,
  { request, owner }: { request: StartExecRequest; owner: string },
  open: OpenStream,
): Promise<{ exec: Exec; reader: ExecReader }> {
  const { exec, isNew, hasLeft } = await execs.create(request, owner);
  if (!isNew) return { exec, reader: await exec.clients.attach(toReturn(request), open) };
  const reader = exec.clients.show(open);
  void execs.start(exec);
  if (hasLeft) exec.clients.leave(request.client);
  return { exec, reader };
}

function toReturn({ id, client, window, ...promises }: StartExecRequest): AttachRequest {
  const { heartbeat_ms, reconnect_grace_ms } = promises;
  return {
    id,
    from: 'start',
    ...(client !== undefined && { client }),
    ...(window !== undefined && { window }),
    ...(heartbeat_ms !== undefined && { heartbeat_ms }),
    ...(reconnect_grace_ms !== undefined && { reconnect_grace_ms }),
  };
}

/** Makes the answer to a request an event stream. */
type Open = (reply: FastifyReply) => OpenStream;

function addStartRoute(app: FastifyInstance, { execs, owner }: AppOptions, open: Open): void {
  app.post<{ Body: StartExecRequest }>(
    '/api/v1/execs',
    { schema: startExecSchema },
    async (request, reply) => {
      const { body } = request;
      if (request.headers.accept !== SSE) {
        const { exec, isNew } = await execs.create(body, owner);
        if (isNew) await execs.start(exec);
        return reply.code(201).send(exec.record);
      }
      await startShown(execs, { request: body, owner }, open(reply));
      return reply;
    },
  );
}

interface Reading extends ById {
  Querystring: EventsQuery;
}

function addReadRoutes(app: FastifyInstance, { execs, sandboxes, owner }: AppOptions, open: Open): void {
  app.get<{ Querystring: { active?: string; sandbox?: string } }>(
    '/api/v1/execs',
    { schema: listExecsSchema },
    ({ query: { active, sandbox } }) => {
      const all = execs.list(owner).filter((record) => active === undefined || record.ended === null);
      if (sandbox === undefined) return { execs: all };
      const found = all.filter((record) => [record.sandbox.name, record.sandbox.id].includes(sandbox));
      // One that was removed is still known by its execs.
      if (found.length === 0) sandboxes.get(sandbox, owner);
      return { execs: found };
    },
  );
  app.get<ById>('/api/v1/execs/:id', { schema: findExecSchema }, (request) =>
    execs.getRecord(request.params.id, owner),
  );
  app.delete<ById>('/api/v1/execs/:id', { schema: execSchema }, (request, reply) => {
    execs.remove(request.params.id, owner);
    return reply.code(204).send();
  });
  app.get<Reading>('/api/v1/execs/:id/events', { schema: eventsSchema }, async (request, reply) => {
    const last = request.headers['last-event-id'];
    const asked = parseEventsQuery(request.params.id, request.query, last);
    requireValid(request, { schema: attachSchema.body, value: asked, what: 'attach' });
    await execs.attach(asked, owner, open(reply));
    return reply;
  });
}

function addControlRoutes(app: FastifyInstance, { execs, owner }: AppOptions): void {
  /** A small request about an exec that has nothing in its answer. */
  const add = (name: string, schema: object, act: (exec: Exec, body: unknown) => void): void => {
    app.post<ById>(`/api/v1/execs/:id/${name}`, { schema }, (request, reply) => {
      act(execs.get(request.params.id, owner), request.body);
      return reply.code(204).send();
    });
  };
  app.post<ById & { Body: AckRequest }>(
    '/api/v1/execs/:id/ack',
    { schema: ackSchema },
    ({ params, body }, reply) => {
      execs.acknowledge(params.id, owner, body);
      return reply.code(204).send();
    },
  );
  app.post<ById & { Body: LeaveRequest }>(
    '/api/v1/execs/:id/leave',
    { schema: leaveSchema },
    ({ params, body }, reply) => {
      execs.leave(params.id, owner, body.client);
      return reply.code(204).send();
    },
  );
  add('signal', signalSchema, (exec, body) => {
    const request = body as SignalRequest;
    requireRunning(exec).signal(request.client, request);
  });
  add('kill', killSchema, (exec, body) => {
    requireRunning(exec).end('killed', (body as KillRequest).kill_after_ms);
  });
  add('close', closeSchema, (exec, body) => {
    const { stream, client } = body as CloseRequest;
    if (exec.clients.isOwnedBy(client)) exec.closeStream(stream);
  });
}

function requireRunning(exec: Exec): Exec {
  if (!exec.hasEnded) return exec;
  throw new SbxError('exec_ended', `The exec ${exec.id} has ended`);
}

function addStdinRoutes(app: FastifyInstance, { execs, owner }: AppOptions): void {
  // A body of stdin is never collected: it goes to the child as it comes.
  app.addContentTypeParser('application/octet-stream', (_request, _body, done) => {
    done(null);
  });
  app.post<ById & { Querystring: { offset: string; client?: string } }>(
    '/api/v1/execs/:id/stdin',
    { schema: stdinSchema },
    ({ params, query, raw }) =>
      execs.get(params.id, owner).clients.stdinOf(query.client).accept(Number(query.offset), raw),
  );
  app.post<ById & { Body: StdinEndRequest }>(
    '/api/v1/execs/:id/stdin/end',
    { schema: stdinEndSchema },
    ({ params, body }) => execs.get(params.id, owner).clients.stdinOf(body.client).end(body.offset),
  );
}
