import type { Exit } from '../protocol/exit.ts';

export type NetworkMode = 'none' | 'host';

/** What a driver needs to make a sandbox; every option is resolved. */
export interface SandboxSpec {
  /** UUID; also the name of what the driver keeps for it. */
  readonly id: string;
  /** Becomes the host name inside. */
  readonly name: string;
  readonly network: NetworkMode;
}

/** What a driver needs to start one command; every option is resolved. */
export interface ExecSpec {
  /** UUID. */
  readonly id: string;
  readonly sandboxId: string;
  /** At least one word. The first is looked up in the PATH of `env`, inside the sandbox. */
  readonly argv: readonly string[];
  /** What `-e` adds to the default environment of the sandbox, later names win. */
  readonly env: ReadonlyMap<string, string>;
  /** An absolute path inside; undefined is the sandbox's default (`/workspace`). */
  readonly cwd: string | undefined;
  /** `USER[:GROUP]`, names or numbers of the sandbox; undefined is the sandbox's default (root). */
  readonly user: string | undefined;
  /** `null` gives the child `/dev/null`. */
  readonly stdin: 'pipe' | 'null';
}

/** Where the bytes of an {@link OutputPipe} go. All calls come from the event loop, never from inside `open`. */
export interface OutputSink {
  /** `chunk` is valid until the call returns: copy what is kept. `false` pauses the pipe until `resume()`. */
  data(chunk: Uint8Array): boolean;
  /** Once, after the last byte: every writer has closed its end. */
  end(): void;
}

/** The read end of the child's stdout or stderr. */
export interface OutputPipe {
  /** Starts reading; called once. */
  open(sink: OutputSink): void;
  resume(): void;
  /** Bytes that lie in the pipe now (FIONREAD); 0 after the end. */
  pendingBytes(): number;
  /** From now on reading it does not keep this process alive. */
  unref(): void;
  /** Closes our end, so that the child meets SIGPIPE on its next write. `end()` is not called any more. */
  close(): void;
}

/** The write end of the child's stdin. */
export interface InputPipe {
  /** Queues bytes. `flushed` runs when they are in the pipe, or when the pipe has closed. */
  write(chunk: Uint8Array, flushed: () => void): void;
  /** EOF for the child, after what is queued. Closing twice is one closing. */
  end(): void;
  /** Drops what is queued and closes. */
  destroy(): void;
  /** Resolves when nobody can read what we write any more (EPIPE, or our own end). Never rejects. */
  readonly closed: Promise<void>;
}

/** One started command. Whoever started it owns its pipes and closes them. */
export interface ExecProcess {
  readonly stdin: InputPipe | null;
  readonly stdout: OutputPipe;
  readonly stderr: OutputPipe;
  /** Resolves once, when the process has been reaped; rejects where its end can never be known. */
  readonly ended: Promise<Exit>;
  /** True if the kernel killed it for lack of memory; known after `ended`. */
  wasOutOfMemory(): boolean;
  /** Sends a signal to the process group of the main process; false when it has already been reaped. */
  signal(name: string): boolean;
  /** KILL to the process group and to what else is known to belong to this exec; also after the end. */
  kill(): void;
}

/**
 * What makes sandboxes and starts commands in them. A driver knows nothing of clients, HTTP or records.
 * Errors are `SbxError`s: `command_not_found`, `cannot_execute`, `argument_too_long`, `bad_directory`,
 * `bad_user`, `sandbox_stopped`, `runtime_unavailable`, `runtime_failed`, `disk_full`.
 */
export interface Driver {
  /** `oci` */
  readonly name: string;
  /** `crun`, `runc`: what new sandboxes are made with. */
  readonly runtime: string;
  readonly runtimePath: string;
  /** Makes the sandbox and starts its init. Leaves nothing behind when it throws. */
  createSandbox(spec: SandboxSpec): Promise<void>;
  /** Ends everything in it and deletes its files. Of a sandbox that is not there: does nothing. */
  removeSandbox(id: string): Promise<void>;
  isSandboxRunning(id: string): Promise<boolean>;
  /** Resolves when the command runs (or ran); rejects when it could not be started, with nothing left behind. */
  startExec(spec: ExecSpec): Promise<ExecProcess>;
  /** Lets go of what the driver holds in this process. Sandboxes go on. */
  close(): Promise<void>;
}
