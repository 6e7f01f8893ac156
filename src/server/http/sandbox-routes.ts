import type { FastifyInstance } from 'fastify';
import type { CreateSandboxRequest } from '../../protocol/api.ts';
import type { AppOptions } from './app.ts';
import { createSandboxSchema } from './schemas.ts';

interface ByName {
  Params: { name: string };
}

export function addSandboxRoutes(app: FastifyInstance, { sandboxes, owner }: AppOptions): void {
  app.post<{ Body: CreateSandboxRequest }>(
    '/api/v1/sandboxes',
    { schema: createSandboxSchema },
    async (request, reply) => {
      const record = await sandboxes.create(request.body, owner);
      return reply.code(201).send(await sandboxes.inspect(record.id, owner));
    },
  );
  app.get('/api/v1/sandboxes', async () => ({ sandboxes: await sandboxes.list(owner) }));
  app.get<ByName>('/api/v1/sandboxes/:name', (request) => sandboxes.inspect(request.params.name, owner));
  app.delete<ByName>('/api/v1/sandboxes/:name', async (request, reply) => {
    await sandboxes.remove(sandboxes.get(request.params.name, owner));
    return reply.code(204).send();
  });
}
