import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SbxError } from '../../protocol/errors.ts';
import { waitForEnd, type KnownProcess } from '../../posix/process-end.ts';
import { readProcessStat } from '../../posix/process-stat.ts';
import type { SandboxSpec } from '../driver.ts';
import { withGuestUmask } from './guest-umask.ts';
import { removeLeftCgroup } from './cgroups.ts';
import { removeHiddenCgroup } from './hybrid-cgroups.ts';
import { toBundle, toCgroupName, type HostParts } from './bundle.ts';
import type { ChildReaper } from './child-reaper.ts';
import { deleteTrees } from './delete-trees.ts';
import { toDiskError } from './disk-full.ts';
import { listRunning, readPidNamespace } from './pid-namespace.ts';
import { createRootTree, type BaseLayers } from './root-tree.ts';
import { readRuntimeErrors } from './runtime-log.ts';
import { OciRuntime } from './runtime.ts';
import type { StateLayout } from './state-layout.ts';

/** With the ten seconds that runc itself waits each time. */
const DELETE_TRIES = 5;
const DELETE_PAUSE_MS = 500;

/** A sandbox that its runtime has killed may take as long to end as runc itself waits. */
const END_TRIES = 10;
const END_WAIT_MS = 1000;

/** In a sandbox's directory: the path of the runtime that made it. */
const RUNTIME_FILE = 'runtime';

/** In a sandbox's directory: its init, as a process that is known for good. */
const INIT_FILE = 'init.json';

interface Options {
  readonly layout: StateLayout;
  readonly runtime: OciRuntime;
  readonly reaper: ChildReaper;
  readonly host: HostParts;
  /** What all sandboxes share. */
  readonly base: () => BaseLayers;
}

/** What an exec needs to know of its sandbox. */
export interface SandboxFacts {
  readonly hostname: string;
  readonly pidNamespace: string | undefined;
  readonly cgroup: string | undefined;
  /** The one that made it: no other knows of it. */
  readonly runtime: OciRuntime;
}

/** Makes and removes the sandboxes of one state directory. */
export class Sandboxes {
  readonly #options: Options;
  readonly #facts = new Map<string, SandboxFacts>();

  constructor(options: Options) {
    this.#options = options;
  }

  async create(spec: SandboxSpec): Promise<void> {
    try {
      this.#writeBundle(spec);
      await this.#start(spec);
    } catch (error) {
      // The first error is the one to tell; a runtime that has gone cannot delete, and has started nothing.
      await this.remove(spec.id).catch(() => this.#deleteFiles(spec.id));
      throw toDiskError(error, this.#options.layout.stateDir);
    }
  }

  /** Ends its init, and the kernel with it everything inside; then deletes its files. */
  async remove(id: string): Promise<void> {
    this.#facts.delete(id);
    const init = recallInit(join(this.#options.layout.sandboxes, id));
    await this.#delete(id);
    if (init !== undefined) await requireEnd(init);
    this.#removeCgroups(toCgroupName(id));
    await this.#deleteFiles(id);
  }

  #removeCgroups(name: string): void {
    const { cgroupParent } = this.#options.host;
    if (cgroupParent !== undefined) removeLeftCgroup(join(cgroupParent, name));
    removeHiddenCgroup(name);
  }

  async #deleteFiles(id: string): Promise<void> {
    const { layers, sandboxes } = this.#options.layout;
    await deleteTrees(join(layers, id), join(sandboxes, id));
  }

  /**
   * An init that was killed is there until all its processes have been reaped. Those that a dead daemon has left are
   * reaped by pid 1 of this machine, which takes its time on some.
   */
  async #delete(id: string): Promise<void> {
    const runtime = this.#runtimeOf(id);
    for (let tries = DELETE_TRIES; ; tries--) {
      const { status, output } = await runtime.call(['delete', '--force', id]);
      if (status === 0 || !(await isKnown(runtime, id))) return;
      if (tries === 0) throw new SbxError('runtime_failed', `Cannot remove the sandbox: ${output.trim()}`);
      await delay(DELETE_PAUSE_MS);
    }
  }

  async isRunning(id: string): Promise<boolean> {
    const { status, output } = await this.#runtimeOf(id).call(['state', id]);
    return status === 0 && (JSON.parse(output) as { status?: unknown }).status === 'running';
  }

  facts(id: string): SandboxFacts {
    const known = this.#facts.get(id);
    if (known) return known;
    const dir = join(this.#options.layout.sandboxes, id);
    if (!existsSync(join(dir, 'init.pid'))) {
      throw new SbxError('sandbox_stopped', 'Cannot start a command: the sandbox is not there any more');
    }
    const { hostname, linux } = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as {
      hostname: string;
      linux: { cgroupsPath?: string };
    };
    const facts = {
      hostname,
      pidNamespace: readPidNamespace(readInitPid(dir)),
      cgroup: linux.cgroupsPath,
      runtime: this.#runtimeOf(id),
    };
    this.#facts.set(id, facts);
    return facts;
  }

  #runtimeOf(id: string): OciRuntime {
    const { layout, runtime } = this.#options;
    const path = tryRead(join(layout.sandboxes, id, RUNTIME_FILE)) ?? runtime.path;
    return path === runtime.path ? runtime : new OciRuntime({ path, root: layout.runtimeRoot });
  }

  #writeBundle(spec: SandboxSpec): void {
    const { layout, host, runtime } = this.#options;
    const dir = join(layout.sandboxes, spec.id);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const base = this.#options.base();
    const place = { root: join(dir, 'rootfs'), layers: join(layout.layers, spec.id) };
    const layers = withGuestUmask(() => createRootTree(place, spec, base));
    writeFileSync(join(dir, RUNTIME_FILE), runtime.path);
    writeFileSync(join(dir, 'config.json'), JSON.stringify(toBundle(spec, layers, host)));
  }

  async #start(spec: SandboxSpec): Promise<void> {
    const { layout, runtime, reaper } = this.#options;
    const dir = join(layout.sandboxes, spec.id);
    const log = join(dir, 'runtime.log');
    const pidFile = join(dir, 'init.pid');
    reaper.expectLeftovers();
    const logged = ['--log', log, '--log-format', 'json'];
    const status = await runtime.run([
      ...logged,
      'run',
      '--detach',
      '--bundle',
      dir,
      '--pid-file',
      pidFile,
      spec.id,
    ]);
    recordInit(dir);
    const words = readRuntimeErrors(log);
    if (status !== 0 || words !== '') {
      throw new SbxError(
        'runtime_failed',
        `Cannot start the sandbox with ${runtime.name}: ${words || 'no reason given'}`,
      );
    }
    // Our child, as we are the nearest subreaper; nobody waits for its status.
    reaper.reapInPassing(readInitPid(dir)).catch(() => undefined);
  }
}

function readInitPid(dir: string): number {
  return Number.parseInt(readFileSync(join(dir, 'init.pid'), 'utf8'), 10);
}

/** For its removal, before which its number may go to another process. Nothing where the runtime has started none. */
function recordInit(dir: string): void {
  if (!existsSync(join(dir, 'init.pid'))) return;
  const stat = readProcessStat(readInitPid(dir));
  if (stat === undefined) return;
  const { pid, startTime } = stat;
  writeFileSync(join(dir, INIT_FILE), JSON.stringify({ pid, startTime }));
}

/** Undefined also for a record that a full disk has cut off. */
function recallInit(dir: string): KnownProcess | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, INIT_FILE), 'utf8')) as KnownProcess;
  } catch {
    return undefined;
  }
}

/**
 * Without a cgroup crun kills the init, and waits for nothing. An init ends after all others in its namespace. They may
 * have ended and wait to be reaped by a pid 1 of this machine that reaps nothing: then it does not end, nor matter.
 */
async function requireEnd(init: KnownProcess): Promise<void> {
  const namespace = readPidNamespace(init.pid);
  for (let tries = END_TRIES; !(await waitForEnd(init, END_WAIT_MS)); tries--) {
    if (namespace === undefined || listRunning(namespace).every((pid) => pid === init.pid)) return;
    if (tries === 0)
      throw new SbxError('runtime_failed', 'Cannot remove the sandbox: its processes do not end');
  }
}

async function isKnown(runtime: OciRuntime, id: string): Promise<boolean> {
  return (await runtime.call(['state', id])).status === 0;
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
