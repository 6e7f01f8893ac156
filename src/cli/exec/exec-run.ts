import type { ExecSessionOptions } from '../../client/exec-session-options.ts';
import { ExecSession } from '../../client/exec-session.ts';
import { toLost } from '../../client/lost.ts';
import type { Gap } from '../../client/output-lane.ts';
import type { StdinSource } from '../../client/stdin-source.ts';
import type { AttachedEvent, ExecEvent, ExitEvent, OutputStream } from '../../protocol/events.ts';
import { SbxError } from '../../protocol/errors.ts';
import type { SignalName } from '../../protocol/exit.ts';
import type { Context } from '../context.ts';
import { delayOptimizing } from '../delay-optimizing.ts';
import { LazyPoll } from '../io/polled.ts';
import { openStdin } from '../io/stdin-source.ts';
import { SignalForwarder } from '../signal-forwarder.ts';
import { makeUuid } from '../uuid.ts';
import type { ExecEnd, ExecForm, ExecOutputOptions, OpenStdin } from './exec-output.ts';
import { openWhenRead } from './open-when-read.ts';

/** What a session begins with: the road to a server, and an exec to start there or one that is there. */
export type RunOpening = Pick<ExecSessionOptions, 'transport' | 'opening'>;

export interface RunPlan {
  /** The exec is one that this run starts. */
  readonly isNew: boolean;
  /** Finds what the run is about. The signal aborts when nobody wants it any more. */
  readonly open: (signal: AbortSignal) => Promise<RunOpening>;
  /** Output is written, and a terminal's input forwarded, as it comes. */
  readonly isStreaming: boolean;
  readonly hasStdin: boolean;
  /** How long a connection that was cut may take to come back, in milliseconds; undefined leaves it to the session. */
  readonly graceMs?: number | undefined;
  readonly openForm: (options: ExecOutputOptions) => ExecForm;
  /** Nothing for people is said on stderr. */
  readonly isQuiet?: boolean;
  /** The exec has an owner client, and it is not this one. */
  readonly onWatching?: () => void;
  /** What ends the run, in the words of the command. */
  readonly toOwnError?: (error: unknown) => unknown;
}

/** Runs one exec between our descriptors and the sandbox, and gives the exit status. */
export async function runPlan(plan: RunPlan, context: Context): Promise<number> {
  const run = new ExecRun(plan, context);
  try {
    return await run.finish();
  } catch (error) {
    throw plan.toOwnError?.(error) ?? error;
  } finally {
    run.close();
  }
}

const AWAY = 'the command was ended: its client was away for longer than --reconnect-grace';

/** Nobody could say to the server that the command is to end. */
function toGivenUp(): SbxError {
  const { code, message } = toLost('three interrupts came while the server was out of reach');
  const hint =
    'The server ends the command when --reconnect-grace is over, unless it is detached or to be kept';
  return new SbxError(code, message, { hint });
}

/** One run: who owns what between the start and the status. */
class ExecRun {
  readonly #plan: RunPlan;
  readonly #context: Context;
  readonly #poll = new LazyPoll();
  readonly #form: ExecForm;
  #stdin: OpenStdin | undefined;
  readonly #signals: SignalForwarder;
  #session: ExecSession | undefined;
  /** What is to be told the server as soon as it knows the exec. */
  readonly #early: ((session: ExecSession) => void)[] = [];
  /** The exec is another's: what happens to us is nothing to it. */
  #isWatching: boolean;
  #hasAttached = false;
  /** We own the exec, and were cut off from it for a while. */
  #wasAway = false;
  readonly #over = new AbortController();
  /** What ended the run from our side. */
  #ownEnd: ExecEnd | undefined;

  constructor(plan: RunPlan, context: Context) {
    this.#plan = plan;
    this.#context = context;
    this.#isWatching = !plan.isNew;
    this.#signals = new SignalForwarder(context, {
      forward: (name) => {
        this.#forward(name);
      },
      kill: () => {
        this.#kill();
      },
    });
    this.#form = plan.openForm({
      context,
      poll: this.#poll,
      isStreaming: plan.isStreaming,
      onReaderGone: (streams) => {
        this.#closeStreams(streams);
      },
      onFailure: () => {
        // An exec that was there before us is not ended because our disk is full.
        if (!plan.isNew) this.#leave();
        else {
          this.#tell((session) => {
            session.signal('KILL');
          });
        }
      },
      onEnough: () => {
        // The event that was enough is still being handled.
        queueMicrotask(() => {
          this.#leave();
        });
      },
    });
  }

  async finish(): Promise<number> {
    const ended = await this.#follow().then(
      (event): ExecEnd => ({ event }),
      (error: unknown): ExecEnd => ({ error: this.#plan.toOwnError?.(error) ?? error }),
    );
    this.#stdin?.close();
    // A descriptor that was never asked for waits for this.
    this.#poll.begin();
    // From here on signals do to us what they do to anyone.
    this.#signals.close();
    if ('event' in ended && ended.event.reason === 'client_gone' && this.#wasAway) this.#say(AWAY);
    return this.#form.output.finish(this.#ownEnd ?? ended);
  }

  close(): void {
    this.#signals.close();
    this.#session?.close();
    this.#form.output.close();
    this.#poll.close();
  }

  async #follow(): Promise<ExitEvent> {
    const opening = await this.#plan.open(this.#over.signal);
    this.#over.signal.throwIfAborted();
    this.#stdin = this.#openStdin();
    this.#session = new ExecSession({
      ...opening,
      client: makeUuid(),
      graceMs: this.#plan.graceMs,
      stdin: this.#stdin?.source,
      ...this.#form.output.targets,
      onAccepted: () => {
        if (this.#plan.isStreaming) delayOptimizing();
        this.#poll.begin();
        for (const say of this.#early.splice(0)) this.#tell(say);
      },
      onEvent: (event) => {
        this.#take(event);
      },
      isOrdered: this.#form.output.isOrdered,
      onGap: (gap, told) => {
        this.#checkGap(gap);
        const { output } = this.#form;
        if (output.tellGap === undefined) told();
        else output.tellGap(gap, told);
      },
    });
    return this.#session.run();
  }

  #openStdin(): OpenStdin | undefined {
    const { hasStdin, isStreaming, isNew } = this.#plan;
    if (!hasStdin || this.#context.closedDescriptors.has(0)) return undefined;
    const open = (): StdinSource | undefined => openStdin(this.#poll, { isStreaming });
    // Who only watches leaves stdin to others.
    const source = isNew ? open() : openWhenRead(open);
    if (source === undefined) return undefined;
    const { toStdin } = this.#form;
    if (toStdin === undefined) return { source, close: () => undefined };
    return toStdin(source, (name) => {
      this.#tell((session) => {
        session.signal(name);
      });
    });
  }

  #take(event: ExecEvent): void {
    if (event.type === 'taken') this.#lose();
    else {
      this.#form.output.take(event);
      if (event.type === 'attached') this.#takeAttached(event);
    }
  }

  /** Each connection begins with it. */
  #takeAttached({ owner, fed }: AttachedEvent): void {
    const wasOwner = !this.#isWatching;
    if (!owner && !wasOwner && !this.#hasAttached) this.#plan.onWatching?.();
    // To a run that has begun it comes after a cut.
    this.#wasAway ||= wasOwner;
    this.#hasAttached = true;
    this.#isWatching = !owner;
    // Another came while we were cut off. Of an exec that has ended nobody is the owner.
    if (wasOwner && !owner && fed !== undefined) this.#lose();
  }

  /** The exec is another's from here on. */
  #lose(): void {
    this.#isWatching = true;
    this.#wasAway = false;
    this.#say('another client has taken the exec over: watching from here on');
    this.#form.output.take({ type: 'taken' });
  }

  /** Who started the exec misses nothing, or says so. */
  #checkGap({ stream, from, to }: Gap): void {
    if (!this.#plan.isNew || this.#isWatching) return;
    this.#ownEnd ??= { error: toLost(`the server left out bytes ${from} to ${to} of ${stream}`) };
    this.#over.abort();
    this.#session?.drop();
  }

  #closeStreams(streams: readonly OutputStream[]): void {
    if (this.#isWatching) this.#abort('PIPE');
    else {
      this.#tell((session) => {
        for (const stream of streams) session.closeStream(stream);
      });
    }
  }

  /** A signal is the exec's where it is ours; else, and before the server knows it, it ends us as it would end anyone. */
  #forward(name: SignalName): void {
    if (this.#session?.hasStarted && !this.#isWatching) this.#session.signal(name);
    else this.#abort(name);
  }

  #kill(): void {
    if (this.#session?.hasStarted && !this.#session.isConnected) this.#endWith({ error: toGivenUp() });
    else {
      this.#say('killing the command after three interrupts');
      this.#forward('KILL');
    }
  }

  #say(line: string): void {
    if (!this.#plan.isQuiet) this.#context.say(line);
  }

  #abort(name: SignalName): void {
    this.#endWith({ abortedBy: name, wasWatching: this.#isWatching });
  }

  #endWith(end: ExecEnd): void {
    this.#ownEnd ??= end;
    this.#leave();
  }

  #leave(): void {
    this.#over.abort();
    this.#session?.close();
  }

  #tell(say: (session: ExecSession) => void): void {
    if (this.#session?.hasStarted) say(this.#session);
    else this.#early.push(say);
  }
}
