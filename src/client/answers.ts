import { parseErrorBody, SbxError } from '../protocol/errors.ts';
import type { Answer, Connection, RequestOptions } from './transport.ts';

/** What a proxy says of a server that it does not get an answer from. */
const PROXY_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);

const NOT_OURS = 'What answers there is no sbx server: check the address, and the proxies before it';

/** The words of something on the way, in place of our server's. */
export class ForeignAnswer extends SbxError {
  constructor(status: number, body: Buffer) {
    const words = JSON.stringify(body.toString().slice(0, 200));
    super('internal', `The server answered ${status}: ${words}`, { hint: NOT_OURS });
  }
}

/** Sends a request and gives the JSON of its answer. @throws SbxError what the server says went wrong */
export async function requestJson(connection: Connection, options: RequestOptions): Promise<unknown> {
  return parseAnswer(await connection.request(options));
}

/** @throws SbxError for an answer that is an error, or that is no JSON */
export function parseAnswer({ status, body }: Answer): unknown {
  if (status >= 300) throw parseFailure(status, body);
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    throw parseFailure(status, body);
  }
}

export function parseFailure(status: number, body: Buffer): SbxError {
  try {
    const { error } = JSON.parse(body.toString()) as { error?: unknown };
    const known = parseErrorBody(error);
    if (known !== undefined) return known;
  } catch {
    // Whatever answered is not our server; its words are shown below.
  }
  if (!PROXY_STATUSES.has(status)) return new ForeignAnswer(status, body);
  const words = JSON.stringify(body.toString().slice(0, 200));
  return new SbxError(
    'server_unreachable',
    `A proxy cannot reach the server, it answered ${status}: ${words}`,
    {
      hint: 'Check that the server runs, and where the proxy looks for it',
    },
  );
}
