import type { SignalName } from '../protocol/exit.ts';
import type { ErrorForm } from './json/error-form.ts';

export type Descriptor = 0 | 1 | 2;

/** All that a command knows of the process it runs in. Nothing below `main` touches the process's globals. */
export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly gid: number;
  /** Home of the user as the system knows it. */
  readonly home: string;
  readonly version: string;
  /** What starts this program again: Node, and the built file behind all options of Node's own. */
  readonly program: readonly [string, ...string[]];
  /** Signals that were ignored when `sbx` started, and stay so. */
  readonly ignoredSignals: ReadonlySet<string>;
  /** Descriptors that the caller had closed. */
  readonly closedDescriptors: ReadonlySet<Descriptor>;
  /** What an error is printed as where JSON was asked for; undefined where people are told. */
  readonly errorForm: ErrorForm | undefined;
  /** Calls `listener` for each of these signals until the returned function is called. */
  onSignal(name: SignalName, listener: () => void): () => void;
  /** Results: to stdout, whole and flushed. @throws SbxError `output_failed` */
  print(text: string): Promise<void>;
  /** A line for people: to stderr, with our prefix. */
  readonly say: (line: string) => void;
}
