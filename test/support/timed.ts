import { makeMark } from './guests.ts';
import type { Home } from './home.ts';

/** A run of a script whose time is limited. */
export interface TimedRun {
  /** For `--timeout`. */
  readonly timeout: string;
  /** A word of this run alone, for the script to carry. */
  readonly mark: string;
  /** What the script does when it has set its traps and printed its words. */
  readonly begun: string;
}

/**
 * Runs a script with a limit to its time, which ends with a wait and does `begun` before that. Where it had not come so
 * far when its time was over, as on a machine that is busy, that has shown nothing: it is run again, with twice the time.
 */
export async function runTimed<T>(
  { home, sandbox }: { home: Home; sandbox: string },
  run: (timed: TimedRun) => Promise<T>,
): Promise<{ result: T; mark: string }> {
  for (let seconds = 1; ; seconds *= 2) {
    const [mark, file] = [makeMark(), `/tmp/${makeMark()}`];
    const result = await run({ timeout: `${seconds}s`, mark, begun: `touch ${file}` });
    const { exitCode } = await home.run(['exec', sandbox, 'test', '-e', file]);
    if (exitCode === 0) return { result, mark };
  }
}
