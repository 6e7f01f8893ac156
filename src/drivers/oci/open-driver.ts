import { SbxError } from '../../protocol/errors.ts';
import type { Driver } from '../driver.ts';
import { toDiskError } from './disk-full.ts';
import { endHolder, joinHolder } from './holder.ts';
import { findInit } from './host-parts.ts';
import { recallChoice, rememberChoice } from './runtime-choice.ts';
import { findRuntimes, type RuntimeCandidate } from './runtime-search.ts';
import { createDriver, tryRuntime, type Trial, type TrialOptions } from './runtime-trial.ts';
import { hasSandboxes, prepareStateLayout } from './state-layout.ts';

export interface OciDriverOptions {
  /** An absolute path; made if it is not there. */
  readonly stateDir: string;
  /** Name or path of the one runtime to use; undefined tries those that are known. */
  readonly runtime?: string;
  readonly log: (line: string) => void;
}

/**
 * Opens the driver with the first runtime that makes a working sandbox here, or the one asked for. What worked is
 * remembered until the program or the boot of this machine changes. Throws `runtime_unavailable` saying why each was
 * passed over, `disk_full`, `state_dir_unusable`.
 *
 * Moves the main thread of this process into the mount namespace of its sandboxes. One process a state directory at a
 * time, which the caller's lock sees to.
 */
export async function openOciDriver(options: OciDriverOptions): Promise<Driver> {
  try {
    return await open(options);
  } catch (error) {
    throw toDiskError(error, options.stateDir);
  }
}

async function open({ stateDir, runtime, log }: OciDriverOptions): Promise<Driver> {
  const init = findInit();
  if (init === undefined) throw toMissingInit();
  const layout = prepareStateLayout(stateDir);
  joinHolder(layout, log);
  try {
    return await chooseDriver(runtime, { layout, init, log });
  } catch (error) {
    if (!hasSandboxes(layout)) await endHolder(layout);
    throw error;
  }
}

async function chooseDriver(asked: string | undefined, options: TrialOptions): Promise<Driver> {
  const passedOver: string[] = [];
  for (const candidate of findRuntimes(asked)) {
    const trial = await chooseOrTry(candidate, options);
    if (trial.works) return trial.driver;
    // What was asked for is named as it was typed.
    passedOver.push(`${asked ?? candidate.name}: ${trial.reason}`);
  }
  throw new SbxError('runtime_unavailable', `No runtime works here (${passedOver.join('; ')})`, {
    hint: 'Install one with: sbx setup; or see what is wrong with: sbx doctor',
  });
}

async function chooseOrTry({ path }: RuntimeCandidate, options: TrialOptions): Promise<Trial> {
  if (path === undefined) return { works: false, reason: 'not installed' };
  const { runtimeChoice } = options.layout;
  const way = recallChoice(runtimeChoice, path);
  if (way) return { works: true, driver: createDriver(path, { ...options, way }), way };
  const trial = await tryRuntime(path, options);
  if (trial.works) rememberChoice(runtimeChoice, path, trial.way);
  return trial;
}

function toMissingInit(): SbxError {
  return new SbxError(
    'runtime_unavailable',
    'No init for sandboxes is here: tini is wanted, linked statically',
    {
      hint: 'Install it with: sbx setup',
    },
  );
}
