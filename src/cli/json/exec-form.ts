import type { ExecOptions } from '../commands/exec.ts';
import type { ExecForm, ExecOutputOptions } from '../exec/exec-output.ts';
import { JsonEvents } from './exec-events.ts';
import { JsonObject } from './exec-object.ts';
import { JsonInput } from './json-input.ts';

/** The ends of a run for programs: one object, or an event a line and, where it is asked for, requests on stdin. */
export function toJsonForm(
  options: Pick<ExecOptions, 'sandbox' | 'isStreaming' | 'hasJsonInput'> & { readonly id: string },
): (output: ExecOutputOptions) => ExecForm {
  return (output) => {
    if (!options.isStreaming) return { output: new JsonObject({ ...output, ...options }) };
    const events = new JsonEvents({ ...output, hasInput: options.hasJsonInput, isAttached: false });
    if (!options.hasJsonInput) return { output: events };
    const tellError: JsonEvents['tellInputError'] = (line, error) => events.tellInputError(line, error);
    return {
      output: events,
      toStdin: (source, signal) => new JsonInput(source, { started: events.started, signal, tellError }),
    };
  };
}

/** The ends of a run that attaches to an exec which was there: an event a line. */
export function openAttachedForm(output: ExecOutputOptions): ExecForm {
  return { output: new JsonEvents({ ...output, hasInput: false, isAttached: true }) };
}
