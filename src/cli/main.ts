import { writeSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { SBX_FAILED } from '../protocol/exit.ts';
import type { Context, Descriptor } from './context.ts';
import { parseLaunch } from './launch.ts';
import { writeResult } from './output/write-result.ts';
import { runProgram } from './program.ts';
import { toStack } from './report-error.ts';

function createContext(): Context {
  const { ignored, closed } = parseLaunch(process.env['SBX_LAUNCH'] ?? '');
  return {
    env: process.env,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    home: findHome(),
    version: __SBX_VERSION__,
    program: [process.execPath, '--', process.argv[1] ?? ''],
    ignoredSignals: ignored,
    closedDescriptors: closed,
    errorForm: undefined,
    onSignal: (name, listener) => {
      const signal = `SIG${name}` as const;
      process.on(signal, listener);
      return () => process.off(signal, listener);
    },
    print: (text) => writeResult(text, closed),
    say: (line) => {
      say(line, closed);
    },
  };
}

/** A stderr that cannot be written has nobody who could be told. */
function say(line: string, closed: ReadonlySet<Descriptor>): void {
  if (closed.has(2)) return;
  try {
    writeSync(2, `sbx: ${line}\n`);
  } catch {
    // See above.
  }
}

function findHome(): string {
  try {
    return userInfo().homedir;
  } catch {
    // A uid without an entry in passwd.
    return homedir();
  }
}

/**
 * Node asks for `process.stderr` whenever a socket is destroyed (from 22 on also where nothing is printed), and makes it
 * then, which sets O_NONBLOCK on a description that others share. Nothing of ours writes there.
 */
function withholdStderr(): void {
  const value = { fd: 2, isTTY: false, write: (text: string) => writeSync(2, text) > 0 };
  Object.defineProperty(process, 'stderr', { value, configurable: true });
}

/**
 * What nobody has caught, and an end of all work before there is a status, are failures of ours. Node would give them
 * the status 1, or 0, which are those of a command.
 */
function watchOwnEnd({ say: tell }: Context): void {
  const fail = (error: unknown): void => {
    tell(toStack(error));
    // Nothing can be relied on any more, so that nothing is waited for.
    process.exit(SBX_FAILED);
  };
  process.on('uncaughtException', fail).on('unhandledRejection', fail);
  process.exitCode = SBX_FAILED;
  process.on('beforeExit', () => {
    if (!hasStatus) tell('nothing is left to wait for, and the command has no end: this is a bug in sbx');
  });
}

let hasStatus = false;
withholdStderr();
const context = createContext();
watchOwnEnd(context);
void runProgram(process.argv.slice(2), context).then((status) => {
  hasStatus = true;
  process.exitCode = status;
});
