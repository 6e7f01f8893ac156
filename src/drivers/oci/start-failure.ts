import { SbxError, type ErrorCode } from '../../protocol/errors.ts';
import type { ExecSpec } from '../driver.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly message: (spec: ExecSpec, command: string) => string;
}

/** The words of crun and runc for what can stop a start, first match wins. */
const RULES: readonly Rule[] = [
  {
    // crun: no status file, no such process; runc: words of its own.
    pattern:
      /^(error opening file `[^`]*\/status`|the container `[^`]*` is not running|container [^:]*does not exist|exec failed: (container [^:]*does not exist|cannot exec [^:]*stopped))/i,
    code: 'sandbox_stopped',
    message: (_, command) => `Cannot run "${command}": the sandbox is not running`,
  },
  {
    pattern: /^chdir `|: chdir to cwd \(/,
    code: 'bad_directory',
    message: (spec) =>
      `Cannot use "${spec.cwd ?? '/workspace'}" as working directory: it is not a directory in the sandbox`,
  },
  {
    pattern: /: unable to setup user: |^(setresuid|setresgid|setgroups)\b/,
    code: 'bad_user',
    message: (spec) => `Cannot run as user "${spec.user ?? 'root'}": the sandbox cannot have this user`,
  },
  {
    pattern: /argument list too long/i,
    code: 'argument_too_long',
    message: (_, command) => `Cannot run "${command}": arguments and environment together are too long`,
  },
  {
    pattern: /exec format error/i,
    code: 'cannot_execute',
    message: (_, command) =>
      `Cannot run "${command}": it is neither a program of this machine nor a script with #!`,
  },
  {
    pattern: /^exec\b[^"`]*: no such file or directory/i,
    code: 'cannot_execute',
    message: (_, command) => `Cannot run "${command}": the interpreter that it names is not in the sandbox`,
  },
  {
    pattern:
      /not found in \$PATH|stat .*: (no such file or directory|not a directory)|open executable: (No such file|Not a directory)/i,
    code: 'command_not_found',
    message: (_, command) => `Cannot run "${command}": no such command in the sandbox`,
  },
  {
    pattern: /(open executable|^exec\b.*): (permission denied|operation not permitted|is a directory)/i,
    code: 'cannot_execute',
    message: (_, command) => `Cannot run "${command}": it is there but cannot be executed`,
  },
  {
    pattern: /no space left on device|disk quota exceeded/i,
    code: 'disk_full',
    message: (_, command) => `Cannot run "${command}": the disk of the state directory is full`,
  },
];

/** Turns the runtime's words about a command that never ran into an error for people. */
export function toStartFailure(spec: ExecSpec, words: string): SbxError {
  const command = shorten(spec.argv[0] ?? '');
  // execvp(3) knows no command without a name.
  if (command === '') return new SbxError('command_not_found', 'Cannot run "": the command has no name');
  const rule = RULES.find(({ pattern }) => pattern.test(words));
  const cause = new Error(words);
  if (rule) return new SbxError(rule.code, rule.message(spec, command), { cause });
  return new SbxError('runtime_failed', `Cannot run "${command}": ${words || 'the runtime gives no reason'}`);
}

/** A name as it is shown: an argument may be as long as 128 KiB. */
export function shorten(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}
