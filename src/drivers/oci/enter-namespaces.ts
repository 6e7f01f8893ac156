import { replaceProcess } from '../../posix/replace-process.ts';
import { findHolder, recordHolder, toHolderEnv } from './holder.ts';
import { prepareStateLayout } from './state-layout.ts';
import { startNamespaces, toEnterCommand, type PlainUser } from './user-namespace.ts';

export interface EnterOptions {
  readonly stateDir: string;
  readonly user: PlainUser;
  /** What goes on inside. */
  readonly program: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Descriptors that it gets besides the first three. */
  readonly descriptors: readonly number[];
  readonly log: (line: string) => void;
}

/**
 * Goes on as `program` inside the namespaces of this state directory's holder, which is started if there is none. The
 * process stays the same. Only a program with one thread can enter a user namespace, so that ours has to start anew.
 *
 * One process a state directory at a time, which the caller's lock sees to. Returns only by throwing.
 */
export async function enterNamespaces(options: EnterOptions): Promise<never> {
  const { user, log, env, descriptors } = options;
  const layout = prepareStateLayout(options.stateDir);
  const holder =
    findHolder(layout) ??
    recordHolder(layout, await startNamespaces({ user, env: toHolderEnv(layout), log }));
  const [file, ...args] = toEnterCommand(holder, options.program);
  replaceProcess({ file, args, env, descriptors });
}
