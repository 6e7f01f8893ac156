import { parseErrorBody, SbxError } from '../protocol/errors.ts';
import type { Answer, Connection, RequestOptions } from './transport.ts';

/** Sends a request and gives the JSON of its answer. @throws SbxError what the server says went wrong */
export async function requestJson<T>(connection: Connection, options: RequestOptions): Promise<T> {
  return parseAnswer<T>(await connection.request(options));
}

/** @throws SbxError for an answer that is an error, or that is no JSON */
export function parseAnswer<T>({ status, body }: Answer): T {
  if (status >= 400) throw parseFailure(status, body);
  return (body.length === 0 ? undefined : JSON.parse(body.toString())) as T;
}

export function parseFailure(status: number, body: Buffer): SbxError {
  try {
    const { error } = JSON.parse(body.toString()) as { error?: unknown };
    const known = parseErrorBody(error);
    if (known !== undefined) return known;
  } catch {
    // Whatever answered is not our server; its words are shown below.
  }
  const words = body.toString().slice(0, 200);
  return new SbxError('internal', `The server answered ${status}: ${JSON.stringify(words)}`);
}
