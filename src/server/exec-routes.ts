import type { FastifyInstance, FastifyReply } from 'fastify';
import {
  PROTOCOL,
  type AckRequest,
  type CloseRequest,
  type SignalRequest,
  type StartExecRequest,
  type StdinEndRequest,
  type VersionAnswer,
} from '../protocol/api.ts';
import type { HelloEvent } from '../protocol/events.ts';
import type { AppOptions } from './app.ts';
import { serverSentEvents } from './event-format.ts';
import { EventStream } from './event-stream.ts';
import type { OpenStream } from './exec-readers.ts';
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
import type { Turns } from './turns.ts';

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
    const stream = new EventStream(raw, source, { turns, from, format: serverSentEvents, isGone });
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

/** Makes the answer to a request an event stream. */
type Open = (reply: FastifyReply) => OpenStream;

function addStartRoute(app: FastifyInstance, { execs, owner }: AppOptions, open: Open): void {
  app.post<{ Body: StartExecRequest }>(
    '/api/v1/execs',
    { schema: startExecSchema },
    async (request, reply) => {
      const exec = await execs.create(request.body, owner);
      if (request.headers.accept !== SSE) {
        await execs.start(exec);
        return reply.code(201).send(exec.record);
      }
      exec.readers.addClient(open(reply));
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
    exec.readers.addWatcher(open(reply), exec.kept);
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
