import { readFileSync } from 'node:fs';
import { SbxError } from '../../protocol/errors.ts';
import { isUtf8, requireUtf8Variable } from './text-bytes.ts';

type CallerEnv = Readonly<Record<string, string | undefined>>;

export interface EnvironmentOptions {
  /** `K=V`, or a bare `K` that copies the caller's value. */
  readonly assignments: readonly string[];
  /** Files of such lines; empty lines and those that begin with `#` are passed over. */
  readonly files: readonly string[];
}

/**
 * The environment that `-e` and `--env-file` add; `-e` wins.
 * @throws SbxError `env_unset`, `env_file_unreadable`, `usage`
 */
export function resolveEnvironment(options: EnvironmentOptions, caller: CallerEnv): Record<string, string> {
  const fromFiles = options.files.flatMap(readEnvFile);
  return Object.fromEntries(
    [...fromFiles, ...options.assignments].map((line) => parseAssignment(line, caller)),
  );
}

function parseAssignment(text: string, caller: CallerEnv): [string, string] {
  const equals = text.indexOf('=');
  const name = equals === -1 ? text : text.slice(0, equals);
  if (name === '')
    throw new SbxError('usage', `"${text}" names no variable`, { hint: 'Use -e NAME=VALUE or -e NAME' });
  if (equals !== -1) return [name, text.slice(equals + 1)];
  const value = caller[name];
  if (value === undefined) throw new SbxError('env_unset', `Cannot copy ${name}: it is not set here`);
  requireUtf8Variable(name, value);
  return [name, value];
}

function readEnvFile(path: string): string[] {
  const bytes = readBytes(path);
  if (!isUtf8(bytes)) throw new SbxError('invalid_text', `The file ${path} is not valid UTF-8`);
  return bytes
    .toString()
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new SbxError('env_file_unreadable', `Cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
