import { existsSync, rmdirSync } from 'node:fs';
import { Command } from 'commander';
import { findInit, findProgram } from '../../drivers/oci/host-parts.ts';
import { probeRuntimes, type ProbeReport } from '../../drivers/oci/probe.ts';
import { findRuntimes } from '../../drivers/oci/runtime-search.ts';
import { SBX_FAILED, toSignalNumber, type SignalName } from '../../protocol/exit.ts';
import { toDaemonOptions } from '../connect.ts';
import type { Context } from '../context.ts';
import { findCgroupFacts } from '../doctor/cgroups.ts';
import { findDaemonFacts } from '../doctor/daemon-state.ts';
import type { HostFacts } from '../doctor/facts.ts';
import { diagnose } from '../doctor/findings.ts';
import { formatDiagnosis } from '../doctor/format.ts';
import { findStateDirFacts } from '../doctor/state-dir.ts';
import { findDescriptorKind } from '../io/descriptor-kind.ts';
import { parseWords } from '../options/parse-options.ts';
import type { Parts } from '../setup/needs.ts';

export function createDoctorCommand(): Command {
  return new Command('doctor')
    .summary('say what works here, and what to type')
    .description(
      'Tries each runtime with a throw-away sandbox and prints what works on this machine, why something does not, and what to type. The exit status is 0 when commands can run here, else 125.',
    );
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  parseWords(createDoctorCommand(), args);
  const { facts, endedBy } = await holdSignals(context, () => findFacts(context));
  if (endedBy !== undefined) return 128 + toSignalNumber(endedBy);
  const diagnosis = diagnose(facts);
  await context.print(formatDiagnosis(diagnosis, isColoured(context)));
  return diagnosis.canRun ? 0 : SBX_FAILED;
}

/** What this machine has of what sandboxes are made with; nothing is tried. */
export function findParts({ env }: Context): Parts {
  const asked = env['SBX_RUNTIME'] || undefined;
  return {
    runtimes: findRuntimes(asked).map(({ name, path }) => ({ name: asked ?? name, path })),
    init: findInit(),
    sleep: findProgram('sleep'),
  };
}

/** Tries each runtime; leaves nothing behind. */
export async function probeHost(context: Context): Promise<ProbeReport> {
  const { stateDir, runtime } = toDaemonOptions(context);
  const wasThere = existsSync(stateDir);
  const log = (line: string): void => {
    context.say(line);
  };
  try {
    return await probeRuntimes({ stateDir, log, ...(runtime !== undefined && { runtime }) });
  } finally {
    if (!wasThere) removeIfEmpty(stateDir);
  }
}

async function findFacts(context: Context): Promise<HostFacts> {
  const { stateDir: path } = toDaemonOptions(context);
  const { init, sleep, runtimes } = findParts(context);
  const seen = {
    uid: context.uid,
    nodeVersion: process.version,
    ownVersion: context.version,
    init,
    sleep,
    // Before the probe, which moves us to where a part of them is hidden.
    cgroups: findCgroupFacts(),
    daemon: await findDaemonFacts(path, context.uid),
    stateDir: findStateDirFacts(path, context.uid),
  };
  try {
    return { ...seen, runtimes: (await probeHost(context)).runtimes };
  } catch (error) {
    // What stops the probe itself is its place.
    const problem = seen.stateDir.problem ?? `cannot be used: ${(error as Error).message}`;
    const untried = { version: undefined, works: false, reason: 'not tried', userNamespace: false };
    return {
      ...seen,
      stateDir: { ...seen.stateDir, problem },
      runtimes: runtimes.map((runtime) => ({ ...runtime, ...untried })),
    };
  }
}

function isColoured({ env, closedDescriptors }: Context): boolean {
  if (env['NO_COLOR'] || env['TERM'] === 'dumb' || closedDescriptors.has(1)) return false;
  return findDescriptorKind(1) === 'terminal';
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Somebody has begun to use it.
  }
}

/** A signal that comes while sandboxes are tried ends us when they have been removed again; a second one at once. */
async function holdSignals(
  context: Context,
  look: () => Promise<HostFacts>,
): Promise<{ facts: HostFacts; endedBy: SignalName | undefined }> {
  let endedBy: SignalName | undefined;
  const names = (['INT', 'TERM', 'HUP'] as const).filter((name) => !context.ignoredSignals.has(name));
  const stops = names.map((name) =>
    context.onSignal(name, () => {
      endedBy = name;
      release();
    }),
  );
  const release = (): void => {
    for (const stop of stops) stop();
  };
  try {
    return { facts: await look(), endedBy };
  } finally {
    release();
  }
}
