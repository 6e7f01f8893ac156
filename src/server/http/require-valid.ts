import type { FastifyRequest } from 'fastify';
import { SbxError } from '../../protocol/errors.ts';

export interface Checked {
  readonly schema: object;
  readonly value: unknown;
  /** What it is, for the message. */
  readonly what: string;
}

/** Checks what does not come as the body or the query of a request. @throws SbxError `invalid_argument` */
export function requireValid(request: FastifyRequest, { schema, value, what }: Checked): void {
  const validate = request.compileValidationSchema(schema);
  if (validate(value)) return;
  const [error] = validate.errors ?? [];
  throw new SbxError(
    'invalid_argument',
    `${what}${error?.instancePath ?? ''} ${error?.message ?? 'is invalid'}`,
  );
}
