import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { routes } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import { FRAMES_PROTOCOL, type ChannelRequest } from '../../protocol/frames.ts';
import { frames } from '../event-format.ts';
import { EventStream, type OpenStream } from '../event-stream.ts';
import type { Turns } from '../turns.ts';
import type { AppOptions } from './app.ts';
import { ExecChannel, type ExecChannelOptions } from './exec-channel.ts';
import { startShown, toHello } from './exec-routes.ts';
import { requireValid } from './require-valid.ts';
import {
  ackSchema,
  attachSchema,
  closeSchema,
  leaveSchema,
  signalSchema,
  startExecSchema,
  stdinEndSchema,
} from './schemas.ts';

const SWITCH = `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${FRAMES_PROTOCOL}\r\n\r\n`;

const SCHEMAS: Readonly<Record<string, object>> = {
  start: startExecSchema.body,
  attach: attachSchema.body,
  ack: ackSchema.body,
  signal: signalSchema.body,
  close: closeSchema.body,
  stdin_end: stdinEndSchema.body,
  leave: leaveSchema.body,
};

/** A connection that is upgraded, with what came behind its request. */
interface Upgrade {
  readonly socket: Socket;
  readonly head: Buffer;
}

/** A connection becomes the channel of one exec: what the other routes say in many requests, at the cost of none. */
export function addChannelRoute(app: FastifyInstance, options: AppOptions, turns: Turns): void {
  const upgrades = routeUpgrades(app);
  const { execs, owner, health } = options;
  app.get(routes.channel, (request, reply) => {
    const upgrade = upgrades.get(request.raw);
    if (upgrade === undefined || request.headers.upgrade !== FRAMES_PROTOCOL) {
      const why = `${routes.channel} wants the headers "Connection: upgrade" and "Upgrade: ${FRAMES_PROTOCOL}"`;
      throw new SbxError('upgrade_required', why);
    }
    reply.hijack();
    const { socket } = upgrade;
    reply.raw.detachSocket(socket);
    socket.write(SWITCH);
    const open: OpenStream = (source, from) => {
      const stream = new EventStream(socket, source, {
        connection: socket,
        turns,
        from,
        format: frames,
        isGone: socket.destroyed,
      });
      stream.send(toHello(health()));
      return stream;
    };
    const show: ExecChannelOptions['open'] = async (asked) => {
      if (asked.type === 'attach') return execs.attach(asked, owner, open);
      const { type: _, ...start } = asked;
      return startShown(execs, { request: start, owner }, open);
    };
    new ExecChannel(socket, { open: show, check: (asked) => checkRequest(request, asked) }).take(
      upgrade.head,
    );
  });
}

/** Upgrades to a channel take the road of every request, past its hooks; Node gives upgrades to nobody else. */
function routeUpgrades(app: FastifyInstance): WeakMap<IncomingMessage, Upgrade> {
  const upgrades = new WeakMap<IncomingMessage, Upgrade>();
  const open = new Set<Socket>();
  app.server.on('upgrade', (request, socket: Socket, head: Buffer) => {
    if (request.headers.upgrade !== FRAMES_PROTOCOL) {
      socket.unshift(Buffer.concat([formatWithoutUpgrade(request), head]));
      app.server.emit('connection', socket);
      return;
    }
    upgrades.set(request, { socket, head });
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // Node has taken its own listeners away.
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    const response = new ServerResponse(request);
    response.assignSocket(socket);
    response.on('finish', () => socket.end());
    app.routing(request, response);
  });
  app.addHook('preClose', (done) => {
    for (const socket of open) socket.destroy();
    done();
  });
  return upgrades;
}

/** An upgrade that is offered, as curl does, may be declined by an ordinary answer (RFC 9110, 7.8). */
function formatWithoutUpgrade({ method, url, rawHeaders, httpVersion }: IncomingMessage): Buffer {
  const lines = [`${method ?? 'GET'} ${url ?? '/'} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!/^upgrade$/i.test(name)) lines.push(`${name}: ${value.replaceAll(/\bupgrade\b/gi, '')}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** @throws SbxError `invalid_argument` */
function checkRequest(request: FastifyRequest, { type, ...fields }: ChannelRequest): void {
  const schema = Object.hasOwn(SCHEMAS, type) ? SCHEMAS[type] : undefined;
  if (schema === undefined) throw new SbxError('invalid_argument', `There is no request ${type}`);
  requireValid(request, { schema, value: fields, what: type });
}
