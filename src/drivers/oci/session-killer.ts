import { readdirSync } from 'node:fs';
import { isLackOfDescriptors, LACK_PAUSE_MS } from '../../posix/lack-of-descriptors.ts';
import { readProcessStat, type ProcessStat } from '../../posix/process-stat.ts';
import { isInPidNamespace } from './pid-namespace.ts';
import { sendSignal } from './send-signal.ts';

/** The session of a command, as it was when the command began. */
export interface OwnSession {
  readonly stat: ProcessStat;
  /** Of the sandbox: what is not in it is never signalled. */
  readonly pidNamespace: string;
}

/**
 * Ends what is left of commands: their sessions, which are their own and which a job of a shell does not leave. It
 * takes a look at every process of the machine, so that one look serves all who ask in the same turn of the loop.
 */
export class SessionKiller {
  readonly #log: (line: string) => void;
  readonly #wanted = new Set<OwnSession>();

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** At the end of this turn, or as soon as there are descriptors to look with. */
  kill(session: OwnSession): void {
    if (this.#wanted.size === 0) setImmediate(() => this.#killWanted());
    this.#wanted.add(session);
  }

  #killWanted(): void {
    try {
      killSessions(this.#wanted);
    } catch (error) {
      if (isLackOfDescriptors(error)) return void setTimeout(() => this.#killWanted(), LACK_PAUSE_MS).unref();
      this.#log(`Cannot end what commands have left: ${String(error)}`);
    }
    this.#wanted.clear();
  }
}

function killSessions(sessions: Iterable<OwnSession>): void {
  const namespaces = new Map<number, string>();
  for (const { stat, pidNamespace } of sessions) {
    if (isStillOwn(stat)) namespaces.set(stat.session, pidNamespace);
  }
  if (namespaces.size === 0) return;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const namespace = namespaces.get(readProcessStat(pid)?.session ?? 0);
    if (namespace !== undefined && isInPidNamespace(pid, namespace)) sendSignal(pid, 'KILL');
  }
}

/**
 * The number of a session is given to no other process while anybody is left in it. So another leader of this number
 * tells that the session is gone, and that whoever carries the number is a stranger.
 */
function isStillOwn({ session, startTime }: ProcessStat): boolean {
  const leader = readProcessStat(session);
  return leader === undefined || leader.startTime === startTime;
}
