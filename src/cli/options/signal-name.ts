import { SbxError } from '../../protocol/errors.ts';
import { toSignalName, toSignalNumber } from '../../protocol/exit.ts';

/** The highest number of a signal, SIGRTMAX; 32 and 33 are the C library's own. */
const LAST = 64;

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

function isSignalName(name: string): boolean {
  try {
    const number = toSignalNumber(name);
    return number > 0 && number <= LAST && toSignalName(number) === name && !name.includes('-');
  } catch {
    return false;
  }
}
