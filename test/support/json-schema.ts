import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import type { ExecRecord } from '../../src/protocol/api.ts';

const URN = 'urn:sbx:json:1';
const schema = JSON.parse(
  readFileSync(new URL('../../docs/sbx.schema.json', import.meta.url), 'utf8'),
) as object;
// `format` is a note for people here, and checked by nobody.
const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, validateFormats: false });
ajv.addSchema(schema);

/** The forms that have a definition in the schema. */
export type Form =
  | 'exec'
  | 'execEvent'
  | 'logEvent'
  | 'detached'
  | 'ended'
  | 'execs'
  | 'request'
  | 'sandboxes'
  | 'sandbox'
  | 'version'
  | 'doctor'
  | 'daemon'
  | 'failure';

/** What was printed, after the schema has found no fault in it: who reads a member knows that its form has it. */
export interface Json {
  readonly [member: string]: unknown;
  readonly event: string;
  readonly text?: string;
  readonly base64?: string;
  readonly error: { readonly code: string; readonly message: string };
  readonly status: number;
  readonly offset: number;
  readonly line: number;
  readonly bytes: { readonly stdout: number; readonly stderr: number };
  readonly stdout: Payload;
  readonly pid: number;
  readonly id: string;
  readonly from: { readonly stdout: number; readonly stderr: number };
  readonly execs: readonly ExecRecord[];
  readonly findings: readonly { readonly subject: string }[];
}

/** Bytes as they stand in JSON. */
export type Payload = Pick<Json, 'text' | 'base64'>;

/** What is wrong with a value; nothing where it has the form. */
export function findSchemaErrors(form: Form, value: unknown): string[] {
  const validate = ajv.getSchema(`${URN}#/$defs/${form}`)!;
  if (validate(value) === true) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** Parses what was printed, which has to be one line of ASCII, or whole lines of it, of the form. */
export function parseLines(text: string, form: Form): Json[] {
  expect(text.slice(-1)).toBe('\n');
  expect(/[^\n\x20-\x7e]/.exec(text)).toBeNull();
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const value = JSON.parse(line) as Json;
      expect({ line, errors: findSchemaErrors(form, value) }).toEqual({ line, errors: [] });
      return value;
    });
}

/** The same where one line is all that may be. */
export function parseLine(text: unknown, form: Form): Json {
  const values = parseLines(String(text), form);
  expect(values).toHaveLength(1);
  return values[0]!;
}

/** The bytes of what has `text` or `base64`. */
export function toBytes({ text, base64 = '' }: Payload): Buffer {
  return text === undefined ? Buffer.from(base64, 'base64') : Buffer.from(text);
}
