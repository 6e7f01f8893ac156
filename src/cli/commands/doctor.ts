import { Command, Option } from 'commander';
import { findInit, findProgram } from '../../drivers/oci/host-parts.ts';
import { findMissingNamespaceTools, findNamespaceFacts } from '../../drivers/oci/namespace-facts.ts';
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
import { printJson } from '../json/print-json.ts';
import { parseWords } from '../options/parse-options.ts';
import type { Parts } from '../setup/needs.ts';
import { INSIDE, NamespaceRefusal, probeHere, probeHost } from './doctor-probe.ts';

export function createDoctorCommand(): Command {
  return new Command('doctor')
    .summary('say what works here, and what to type')
    .description(
      'Tries each runtime with a throw-away sandbox and prints what works on this machine, why something does not, and what to type. The exit status is 0 when commands can run here, else 125.',
    )
    .option('--json', 'print one JSON object')
    .addOption(new Option(INSIDE, 'print what the probe finds as JSON').hideHelp());
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags } = parseWords<{ inside?: true; json?: true }>(createDoctorCommand(), args);
  if (flags.inside) {
    await context.print(`${JSON.stringify(await probeHere(context))}\n`);
    return 0;
  }
  const { facts, endedBy } = await holdSignals(context, () => findFacts(context));
  if (endedBy !== undefined) return 128 + toSignalNumber(endedBy);
  const diagnosis = diagnose(facts);
  const { canRun, runtime = null, findings } = diagnosis;
  if (flags.json) await printJson(context, { can_run: canRun, runtime, findings });
  else await context.print(formatDiagnosis(diagnosis, isColoured(context)));
  return canRun ? 0 : SBX_FAILED;
}

/** What this machine has of what sandboxes are made with; nothing is tried. */
export function findParts({ env, uid }: Context): Parts {
  const asked = env['SBX_RUNTIME'] || undefined;
  return {
    runtimes: findRuntimes(asked).map(({ name, path }) => ({ name: asked ?? name, path })),
    init: findInit(),
    sleep: findProgram('sleep'),
    missingNamespaceTools: uid === 0 ? [] : findMissingNamespaceTools(),
  };
}

async function findFacts(context: Context): Promise<HostFacts> {
  const { stateDir: path } = toDaemonOptions(context);
  const { init, sleep, runtimes } = findParts(context);
  const { uid } = context;
  const plainUser = uid === 0 ? undefined : { ...findNamespaceFacts(uid), refusal: undefined, ids: 0 };
  const seen = {
    uid,
    nodeVersion: process.version,
    ownVersion: context.version,
    init,
    sleep,
    // Before the probe, which moves us to where a part of them is hidden.
    cgroups: findCgroupFacts(),
    daemon: await findDaemonFacts(path, uid),
    stateDir: findStateDirFacts(path, uid),
  };
  try {
    const { runtimes, ids } = await probeHost(context);
    return { ...seen, runtimes, plainUser: plainUser && { ...plainUser, ids } };
  } catch (error) {
    // What stops the probe itself is its place.
    const refusal = error instanceof NamespaceRefusal ? error.message : undefined;
    const { problem = refusal ? undefined : `cannot be used: ${(error as Error).message}` } = seen.stateDir;
    const untried = {
      version: undefined,
      works: false,
      reason: 'not tried',
      userNamespace: false,
      inCgroup: false,
    };
    return {
      ...seen,
      stateDir: { ...seen.stateDir, problem },
      plainUser: plainUser && { ...plainUser, refusal },
      runtimes: runtimes.map((runtime) => ({ ...runtime, ...untried })),
    };
  }
}

function isColoured({ env, closedDescriptors }: Context): boolean {
  if (env['NO_COLOR'] || env['TERM'] === 'dumb' || closedDescriptors.has(1)) return false;
  return findDescriptorKind(1) === 'terminal';
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
