import { parseErrorBody, SbxError } from '../protocol/errors.ts';
import type { Answer, Connection, RequestOptions } from './transport.ts';

/** Sends a request and gives the JSON of its answer. @throws SbxError what the server says went wrong */
export async function requestJson(connection: Connection, options: RequestOptions): Promise<unknown> {
  return parseAnswer(await connection.request(options));
}

/** @throws SbxError for an answer that is an error, or that is no JSON */
export function parseAnswer({ status, body }: Answer): unknown {
  if (status >= 400) throw parseFailure(status, body);
  return body.length === 0 ? undefined : JSON.parse(body.toString());
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
