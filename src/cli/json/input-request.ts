import { isUtf8 } from 'node:buffer';
import { SbxError } from '../../protocol/errors.ts';
import { isSignalName } from '../options/signal-name.ts';

/** One line of `--json-input`. */
export type InputRequest =
  | { readonly type: 'stdin'; readonly bytes: Buffer }
  | { readonly type: 'eof' }
  | { readonly type: 'signal'; readonly signal: string };

const HINT =
  'A line is one of {"stdin": "text"}, {"stdin_base64": "…"}, {"eof": true} and {"signal": "TERM"}';

type Parse = (value: unknown) => InputRequest;

const PARSERS: Readonly<Record<string, Parse>> = {
  stdin: (value) => ({ type: 'stdin', bytes: toTextBytes(value) }),
  stdin_base64: (value) => ({ type: 'stdin', bytes: toBase64Bytes(value) }),
  eof: (value) => {
    if (value !== true) throw invalid('eof is not true');
    return { type: 'eof' };
  },
  signal: (value) => ({ type: 'signal', signal: toSignal(value) }),
};

/** @throws SbxError `invalid_argument`, and `invalid_text` for what is not UTF-8 */
export function parseInputRequest(line: Buffer): InputRequest {
  const fields = parseObject(line);
  const [name, ...others] = Object.keys(fields);
  if (name === undefined) throw invalid('The line has no request');
  if (others.length > 0) {
    throw invalid(`The line has ${others.length + 1} members where a request is one`);
  }
  const parse = Object.hasOwn(PARSERS, name) ? PARSERS[name] : undefined;
  if (parse === undefined) throw invalid(`There is no request ${JSON.stringify(name)}`);
  return parse(fields[name]);
}

function parseObject(line: Buffer): Record<string, unknown> {
  if (!isUtf8(line)) throw new SbxError('invalid_text', 'The line is not valid UTF-8', { hint: HINT });
  let value: unknown;
  try {
    value = JSON.parse(line.toString());
  } catch (cause) {
    throw invalid(`The line is not JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw invalid('The line is JSON, but no object');
}

/** An escape such as \ud800 alone is no character, and no bytes could stand for it. */
function toTextBytes(value: unknown): Buffer {
  if (typeof value !== 'string') throw invalid('stdin is not a text');
  if (/\p{Surrogate}/u.test(value)) throw invalid('stdin has half a character: a surrogate alone');
  return Buffer.from(value, 'utf8');
}

function toBase64Bytes(value: unknown): Buffer {
  if (typeof value !== 'string') throw invalid('stdin_base64 is not a text');
  const bytes = Buffer.from(value, 'base64');
  // Node passes over what is no base64.
  if (bytes.toString('base64') !== value) throw invalid('stdin_base64 is not base64 with its padding');
  return bytes;
}

function toSignal(value: unknown): string {
  if (typeof value !== 'string') throw invalid('signal is not a text');
  const name = value.replace(/^SIG/, '');
  if (!isSignalName(name)) throw invalid(`No signal is called ${JSON.stringify(value)}`);
  return name;
}

function invalid(message: string, cause?: unknown): SbxError {
  return new SbxError('invalid_argument', message, { hint: HINT, cause });
}
