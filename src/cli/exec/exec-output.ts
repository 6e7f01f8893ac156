import type { OutputTarget } from '../../client/exec-session-options.ts';
import type { Gap } from '../../client/output-lane.ts';
import type { StdinSource } from '../../client/stdin-source.ts';
import type { ExecEvent, ExitEvent, OutputStream } from '../../protocol/events.ts';
import { toExitStatus, toSignalNumber, type SignalName } from '../../protocol/exit.ts';
import type { Context } from '../context.ts';
import type { LazyPoll } from '../io/polled.ts';
import { toErrorStatus } from '../report-error.ts';

/**
 * How a run ended: with the end of its command, with an error, or by a signal that was meant for us: before there was
 * a command, or where we only watch one.
 */
export type ExecEnd =
  | { readonly event: ExitEvent }
  | { readonly error: unknown }
  | { readonly abortedBy: SignalName; readonly wasWatching: boolean };

/** Where the output of one exec goes, and how its end is told: one for each form that can be asked for. */
export interface ExecOutput {
  readonly targets: Readonly<Record<OutputStream, OutputTarget>>;
  /** Both streams go to one place. */
  readonly isOrdered?: boolean;
  /** Every event of the session, as it comes and before its bytes go to their target. */
  take(event: ExecEvent): void;
  /**
   * Bytes are missing, before what goes to their target next; `told` is called when that is with the reader. Left out:
   * nobody is told.
   */
  tellGap?(gap: Gap, told: () => void): void;
  /**
   * Writes what is left, with the end behind it, and lets go of our descriptors. Gives the exit status.
   * @throws what is left to be said on stderr
   */
  finish(end: ExecEnd): Promise<number>;
  /** Lets go of what was kept. */
  close(): void;
}

/** The ends of one run on our side: where output goes, and what is made of our stdin. */
export interface ExecForm {
  readonly output: ExecOutput;
  /** Makes of our stdin what the command gets; `signal` is for who reads signals there. Left out: its bytes as they are. */
  readonly toStdin?: (source: StdinSource, signal: (name: string) => void) => OpenStdin;
}

export interface OpenStdin {
  readonly source: StdinSource;
  close(): void;
}

export interface ExecOutputOptions {
  readonly context: Context;
  readonly poll: LazyPoll;
  readonly isStreaming: boolean;
  /** Nobody reads these streams any more. */
  readonly onReaderGone: (streams: readonly OutputStream[]) => void;
  /** Output is lost, and the run is to end. The error is told by `finish`. */
  readonly onFailure: () => void;
  /** Everything that is wanted is there: the run is to end, and the exec goes on. */
  readonly onEnough: () => void;
}

/** The exit status of `sbx`. */
export function toEndStatus(end: ExecEnd): number {
  if ('event' in end) return toExitStatus(end.event);
  if ('abortedBy' in end) return 128 + toSignalNumber(end.abortedBy);
  return toErrorStatus(end.error);
}
