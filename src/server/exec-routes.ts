import type { FastifyInstance, FastifyReply } from 'fastify';
import {
  PROTOCOL,
  type AckRequest,
  type CloseRequest,
  type SignalRequest,
  type StartExecRequest,
  type StdinEndRequest,
} from '../protocol/api.ts';
import type { StreamBytes } from '../protocol/events.ts';
import type { AppOptions } from './app.ts';
import { EventStream, type EventSource } from './event-stream.ts';
import type { Exec } from './exec.ts';
import {
  ackSchema,
  closeSchema,
  execSchema,
  signalSchema,
  startExecSchema,
  stdinEndSchema,
  stdinSchema,
} from './schemas.ts';
import { Turns } from './turns.ts';

interface ById {
  Params: { id: string };
}

/** Execs: started and shown in one request or in two, and steered by small requests of their own. */
export function addExecRoutes(app: FastifyInstance, options: AppOptions): void {
  const turns = new Turns();
  const open = (reply: FastifyReply, source: EventSource, from: StreamBytes): EventStream => {
    reply.hijack();
    const stream = new EventStream(reply.raw, source, { turns, from });
    const { instance, version } = options.health();
    stream.send({ type: 'hello', instance, protocol: PROTOCOL, version });
    return stream;
  };
  addStartRoute(app, options, open);
  addReadRoutes(app, options, open);
  addControlRoutes(app, options);
  addStdinRoutes(app, options);
}

type Open = (reply: FastifyReply, source: EventSource, from: StreamBytes) => EventStream;

function addStartRoute(app: FastifyInstance, { execs, owner }: AppOptions, open: Open): void {
  app.post<{ Body: StartExecRequest }>(
    '/api/v1/execs',
    { schema: startExecSchema },
    async (request, reply) => {
      const exec = await execs.create(request.body, owner);
      if (request.headers.accept !== 'text/event-stream') {
        await execs.start(exec);
        return reply.code(201).send(exec.record);
      }
      exec.readers.addClient((source, from) => open(reply, source, from));
      await execs.start(exec);
      return reply;
    },
  );
}

function addReadRoutes(app: FastifyInstance, { execs, owner }: AppOptions, open: Open): void {
  app.get('/api/v1/execs', () => ({ execs: execs.list(owner) }));
  app.get<ById>('/api/v1/execs/:id', { schema: execSchema }, (request) =>
    execs.getRecord(request.params.id, owner),
  );
  app.get<ById>('/api/v1/execs/:id/events', { schema: execSchema }, (request, reply) => {
    const exec = execs.get(request.params.id, owner);
    exec.readers.addWatcher((source, from) => open(reply, source, from), exec.kept);
    return reply;
  });
}

function addControlRoutes(app: FastifyInstance, { execs, owner }: AppOptions): void {
  const find = (request: { params: { id: string } }): Exec => execs.get(request.params.id, owner);
  app.post<ById & { Body: AckRequest }>('/api/v1/execs/:id/ack', { schema: ackSchema }, (request, reply) => {
    find(request).acknowledge(request.body);
    return reply.code(204).send();
  });
  app.post<ById & { Body: SignalRequest }>(
    '/api/v1/execs/:id/signal',
    { schema: signalSchema },
    (request, reply) => {
      find(request).signal(request.body.signal);
      return reply.code(204).send();
    },
  );
  app.post<ById & { Body: CloseRequest }>(
    '/api/v1/execs/:id/close',
    { schema: closeSchema },
    (request, reply) => {
      find(request).closeStream(request.body.stream);
      return reply.code(204).send();
    },
  );
}

function addStdinRoutes(app: FastifyInstance, { execs, owner }: AppOptions): void {
  // A body of stdin is never collected: it goes to the child as it comes.
  app.addContentTypeParser('application/octet-stream', (_request, _body, done) => {
    done(null);
  });
  app.post<ById & { Querystring: { offset: string } }>(
    '/api/v1/execs/:id/stdin',
    { schema: stdinSchema },
    (request) => execs.get(request.params.id, owner).stdin.accept(Number(request.query.offset), request.raw),
  );
  app.post<ById & { Body: StdinEndRequest }>(
    '/api/v1/execs/:id/stdin/end',
    { schema: stdinEndSchema },
    (request) => execs.get(request.params.id, owner).stdin.end(request.body.offset),
  );
}
