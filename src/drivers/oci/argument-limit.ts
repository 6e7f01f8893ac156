import { SbxError } from '../../protocol/errors.ts';
import type { ExecSpec } from '../driver.ts';
import { shorten } from './start-failure.ts';

/** MAX_ARG_STRLEN of the kernel: one argument or one variable, with its NUL. */
const LIMIT = 128 * 1024;

/** Throws `argument_too_long`, naming the argument or variable that execve(2) would refuse. */
export function checkArguments(spec: ExecSpec): void {
  spec.argv.forEach((argument, index) =>
    check(argument, `argument ${index} of "${shorten(spec.argv[0] ?? '')}"`),
  );
  for (const [name, value] of spec.env) check(`${name}=${value}`, `the variable ${shorten(name)}`);
}

function check(text: string, what: string): void {
  const size = Buffer.byteLength(text);
  if (size < LIMIT) return;
  throw new SbxError(
    'argument_too_long',
    `Cannot run the command: ${what} is ${size} bytes long, and Linux takes ${LIMIT - 1} at most`,
  );
}
