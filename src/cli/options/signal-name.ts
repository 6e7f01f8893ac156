import { SbxError } from '../../protocol/errors.ts';
import { SIGNAL_PATTERN, toSignalName } from '../../protocol/exit.ts';

const SIGNAL = new RegExp(SIGNAL_PATTERN);

/**
 * The name of a signal that was typed as `TERM`, `SIGTERM`, `term` or `15`.
 * @throws SbxError `usage`
 */
export function parseSignalName(text: string): string {
  const name = /^\d+$/.test(text) ? toSignalName(Number(text)) : text.toUpperCase().replace(/^SIG/, '');
  if (isSignalName(name)) return name;
  throw new SbxError('usage', `"${text}" is not a signal`, {
    hint: 'Use a name or a number: TERM, HUP or 15',
  });
}

/** The one name of a signal that may be sent: 32 and 33 are the C library's own. */
export function isSignalName(name: string): boolean {
  return SIGNAL.test(name);
}
