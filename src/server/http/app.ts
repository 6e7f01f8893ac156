import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { PROTOCOL, type HealthAnswer, type StopRequest } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import type { ExecRegistry } from '../exec-registry.ts';
import type { SandboxRegistry } from '../sandbox-registry.ts';
import { Turns } from '../turns.ts';
import { addChannelRoute } from './channel-route.ts';
import { addExecRoutes } from './exec-routes.ts';
import { addSandboxRoutes } from './sandbox-routes.ts';
import { stopSchema } from './schemas.ts';

export interface AppOptions {
  readonly sandboxes: SandboxRegistry;
  readonly execs: ExecRegistry;
  /** Whom every request of this socket is from. */
  readonly owner: string;
  readonly health: () => HealthAnswer;
  /** Asked to stop; with `if_idle` refuses while something runs. @throws SbxError `busy` */
  readonly stop: (request: StopRequest) => void;
  readonly log: (line: string) => void;
}

/** A command line of the kernel's two MiB, each byte of it escaped, and room for the rest. */
const BODY_LIMIT = 16 * 1024 * 1024;

/** The native HTTP API. */
export function createApp(options: AppOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    exposeHeadRoutes: false,
    // A variable or label may have such a name; nothing here assigns by key.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    // A connection that waits between two bodies of stdin is alive.
    keepAliveTimeout: 120_000,
  });
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('sbx-protocol', PROTOCOL);
    done(checkProtocol(request.headers['sbx-protocol']));
  });
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const known = toSbxError(error);
    if (known.code === 'internal') options.log(error.stack ?? String(error));
    void reply.code(known.httpStatus).send({ error: known.toBody() });
  });
  app.setNotFoundHandler((request) => {
    throw new SbxError('route_not_found', `There is no ${request.method} ${request.url}`);
  });
  addServerRoutes(app, options);
  addSandboxRoutes(app, options);
  const turns = new Turns();
  addExecRoutes(app, options, turns);
  addChannelRoute(app, options, turns);
  return app;
}

function addServerRoutes(app: FastifyInstance, { health, stop }: AppOptions): void {
  app.get('/api/v1/health', () => health());
  app.get('/api/v1/version', () => {
    const { instance, protocol, version } = health();
    return { instance, protocol, version };
  });
  app.post<{ Body: StopRequest }>('/api/v1/stop', { schema: stopSchema }, (request) => {
    stop(request.body);
    return {};
  });
}

function checkProtocol(value: string | string[] | undefined): Error | undefined {
  if (value === undefined || value === String(PROTOCOL)) return undefined;
  return new SbxError(
    'protocol_mismatch',
    `The client speaks protocol ${String(value)}, this server ${PROTOCOL}`,
  );
}

function toSbxError(error: FastifyError): SbxError {
  if (error instanceof SbxError) return error;
  if (error.validation !== undefined || (error.statusCode ?? 500) < 500) {
    return new SbxError('invalid_argument', error.message, { cause: error });
  }
  return new SbxError('internal', error.message, { cause: error });
}
