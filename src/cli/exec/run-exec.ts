import { ExecSession, type SessionStart } from '../../client/exec-session.ts';
import type { StdinSource } from '../../client/stdin-source.ts';
import type { Transport } from '../../client/transport.ts';
import { makeUuid } from '../uuid.ts';
import { type SbxError } from '../../protocol/errors.ts';
import { OUTPUT_STREAMS, type ExitEvent, type OutputStream } from '../../protocol/events.ts';
import { toExitStatus, toSignalNumber, type SignalName } from '../../protocol/exit.ts';
import type { ExecOptions } from '../commands/exec.ts';
import type { Context } from '../context.ts';
import { delayOptimizing } from '../delay-optimizing.ts';
import { OutputStore } from '../io/output-store.ts';
import { openOutput, type OutputWriter } from '../io/output-writer.ts';
import { LazyPoll } from '../io/polled.ts';
import { openStdin } from '../io/stdin-source.ts';
import { SignalForwarder } from '../signal-forwarder.ts';

export interface RunExecTools {
  readonly context: Context;
  readonly openTransport: () => Promise<Transport>;
}

/** Runs one exec between our descriptors and the sandbox, and gives the exit status. */
export async function runExec(options: ExecOptions & { id: string }, tools: RunExecTools): Promise<number> {
  const run = new ExecRun(options, tools);
  try {
    return await run.finish();
  } finally {
    run.close();
  }
}

/** One run: who owns what between the start and the status. */
class ExecRun {
  readonly #options: ExecOptions & { id: string };
  readonly #tools: RunExecTools;
  readonly #poll = new LazyPoll();
  readonly #writers: Record<OutputStream, OutputWriter>;
  readonly #store: OutputStore | undefined;
  readonly #signals: SignalForwarder;
  #session: ExecSession | undefined;
  /** What is to be told the server as soon as it knows the exec. */
  readonly #early: ((session: ExecSession) => void)[] = [];
  #failure: SbxError | undefined;
  #abortedBy: SignalName | undefined;

  constructor(options: ExecOptions & { id: string }, tools: RunExecTools) {
    this.#options = options;
    this.#tools = tools;
    this.#signals = new SignalForwarder(tools.context, {
      forward: (name) => {
        this.#forward(name);
      },
      kill: () => {
        tools.context.say('killing the command after three interrupts');
        this.#forward('KILL');
      },
    });
    this.#writers = { stdout: this.#openWriter('stdout'), stderr: this.#openWriter('stderr') };
    this.#store = options.isStreaming ? undefined : new OutputStore();
  }

  async finish(): Promise<number> {
    const ended = await this.#follow().catch((error: unknown) => error as Error);
    // From here on signals do to us what they do to anyone.
    this.#signals.close();
    await this.#flush();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#abortedBy !== undefined) return 128 + toSignalNumber(this.#abortedBy);
    if (ended instanceof Error) throw ended;
    return toExitStatus(ended);
  }

  close(): void {
    this.#signals.close();
    this.#session?.close();
    this.#store?.close();
    this.#poll.close();
  }

  async #follow(): Promise<ExitEvent> {
    const transport = await this.#tools.openTransport();
    if (this.#abortedBy !== undefined) throw new Error('aborted before the start');
    const session = new ExecSession({
      transport,
      opening: { start: toRequest(this.#options) },
      client: makeUuid(),
      stdin: this.#openStdin(),
      stdout: this.#targetOf('stdout'),
      stderr: this.#targetOf('stderr'),
      onAccepted: () => {
        if (this.#options.isStreaming) delayOptimizing();
        this.#poll.begin();
        for (const say of this.#early.splice(0)) say(session);
      },
    });
    this.#session = session;
    return session.run();
  }

  #openStdin(): StdinSource | undefined {
    if (!this.#options.hasStdin || this.#tools.context.closedDescriptors.has(0)) return undefined;
    return openStdin(this.#poll, { isStreaming: this.#options.isStreaming });
  }

  #openWriter(stream: OutputStream): OutputWriter {
    return openOutput({
      stream,
      isClosed: this.#tools.context.closedDescriptors.has(stream === 'stdout' ? 1 : 2),
      poll: this.#poll,
      onReaderGone: () => {
        this.#tell((session) => {
          session.closeStream(stream);
        });
      },
      onFailure: (error) => {
        this.#fail(error);
      },
    });
  }

  #targetOf(stream: OutputStream): (chunk: Buffer, written: () => void) => void {
    const store = this.#store;
    if (store === undefined) {
      return (chunk, written) => {
        this.#writers[stream].write(chunk, written);
      };
    }
    return (chunk, written) => {
      try {
        if (this.#failure === undefined) store.append(stream, chunk);
      } catch (error) {
        this.#fail(error as SbxError);
      }
      written();
    };
  }

  async #flush(): Promise<void> {
    for (const stream of OUTPUT_STREAMS) {
      await this.#store?.print(stream, this.#writers[stream]);
      await this.#writers[stream].finish();
    }
  }

  /** Our output is lost: the command is ended, and the reason is the error. */
  #fail(error: SbxError): void {
    this.#failure ??= error;
    this.#tell((session) => {
      session.signal('KILL');
    });
  }

  /** Before the exec is known to the server a signal ends us, as it would end a command that has not begun. */
  #forward(name: SignalName): void {
    if (this.#session?.hasStarted) this.#session.signal(name);
    else {
      this.#abortedBy ??= name;
      this.#session?.close();
    }
  }

  #tell(say: (session: ExecSession) => void): void {
    if (this.#session?.hasStarted) say(this.#session);
    else this.#early.push(say);
  }
}

function toRequest(options: ExecOptions & { id: string }): SessionStart {
  const { id, sandbox, argv, env, cwd, user, timeoutMs, killAfterMs, network } = options;
  return {
    id,
    argv,
    env,
    ...(sandbox !== undefined && { sandbox }),
    ...(network !== undefined && { network }),
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
    ...(timeoutMs !== undefined && { timeout_ms: timeoutMs }),
    ...(killAfterMs !== undefined && { kill_after_ms: killAfterMs }),
  };
}
