import { SbxError, type ErrorBody } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import type { ExecEnd } from '../exec/exec-output.ts';
import { toErrorBody } from '../report-error.ts';

/** The error that an end without an exit event is for programs. */
export function toEndError(end: Exclude<ExecEnd, { event: unknown }>, context: Context): ErrorBody {
  if ('error' in end) return toErrorBody(end.error, context);
  if (end.wasWatching) {
    const hint = 'The exec itself goes on';
    return new SbxError('session_lost', `SIG${end.abortedBy} ended sbx, which watched`, { hint }).toBody();
  }
  const why = `SIG${end.abortedBy} ended sbx before the command had started`;
  return new SbxError('session_lost', why, { hint: 'If it starts all the same, it is ended' }).toBody();
}
