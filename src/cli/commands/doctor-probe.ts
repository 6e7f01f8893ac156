import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmdirSync } from 'node:fs';
import { probeRuntimes, type ProbeReport } from '../../drivers/oci/probe.ts';
import { startNamespaces, toEnterCommand } from '../../drivers/oci/user-namespace.ts';
import { preparePrivateDirectory } from '../../state/private-directory.ts';
import { toDaemonOptions } from '../connect.ts';
import type { Context } from '../context.ts';

/** Tells the doctor that it is its own child, in a user namespace. */
export const INSIDE = '--inside';

/** A plain user gets no user namespace here; the message is what the kernel says. */
export class NamespaceRefusal extends Error {}

/** Tries each runtime; leaves nothing behind. @throws NamespaceRefusal */
export async function probeHost(context: Context): Promise<ProbeReport> {
  const { stateDir } = toDaemonOptions(context);
  const wasThere = existsSync(stateDir);
  try {
    return await (context.uid === 0 ? probeHere(context) : probeInside(stateDir, context));
  } finally {
    if (!wasThere) removeIfEmpty(stateDir);
  }
}

/** As root, of this machine or of a user namespace. */
export function probeHere(context: Context): Promise<ProbeReport> {
  const { stateDir, runtime } = toDaemonOptions(context);
  return probeRuntimes({ stateDir, log: context.say, ...(runtime !== undefined && { runtime }) });
}

/** In namespaces as the daemon's are, which end with the probe. */
async function probeInside(stateDir: string, context: Context): Promise<ProbeReport> {
  const { uid, gid, env, program, say } = context;
  preparePrivateDirectory(stateDir, uid);
  const marks = { SBX_PROBE_OF: stateDir };
  const holder = await startNamespaces({ user: { uid, gid }, env: marks, log: say }).catch(
    (cause: unknown) => {
      throw new NamespaceRefusal((cause as Error).message, { cause });
    },
  );
  try {
    const [file, ...args] = toEnterCommand(holder.pid as number, [...program, 'doctor', INSIDE]);
    return JSON.parse(await readOutput(file, args, { ...env, SBX_STATE_DIR: stateDir })) as ProbeReport;
  } finally {
    holder.kill('SIGKILL');
  }
}

/** Out of reach of the terminal's signals, as it has to tidy up; ours wait until it has. */
async function readOutput(file: string, args: readonly string[], env: Context['env']): Promise<string> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env, detached: true });
  const [output, words]: Buffer[][] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => output?.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => words?.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return Buffer.concat(output ?? []).toString();
  throw new Error(
    Buffer.concat(words ?? [])
      .toString()
      .replaceAll(/^sbx: /gm, '')
      .trim(),
  );
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Somebody has begun to use it.
  }
}
