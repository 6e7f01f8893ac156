import { randomUUID } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { Driver } from '../drivers/driver.ts';
import { PROTOCOL, type HealthAnswer, type StopRequest } from '../protocol/api.ts';
import { SbxError } from '../protocol/errors.ts';
import { readProcessStat } from '../posix/process-stat.ts';
import { toDaemonFilePath, writeDaemonFile } from '../state/daemon-file.ts';
import { createApp } from './http/app.ts';
import { ExecRegistry } from './exec-registry.ts';
import { IdleWatch } from './idle-watch.ts';
import { SandboxRegistry } from './sandbox-registry.ts';
import { hideSocket, prepareSocketPath, removeSocket, showSocket } from './socket-path.ts';

export interface DaemonOptions {
  /** Prepared, and locked by the caller. */
  readonly stateDir: string;
  /** Closed when the daemon stops. */
  readonly driver: Driver;
  /** Whom it serves: a uid of this machine. */
  readonly owner: number;
  /** What that user is for this process: root, in a user namespace of its own. */
  readonly uid: number;
  readonly version: string;
  /** Stops by itself after this long without an exec, a client and a sandbox with a time to live. */
  readonly idleExitMs: number;
  readonly log: (line: string) => void;
}

/** The server of one user: it owns sandboxes and execs, speaks HTTP on a socket, and goes when it is idle. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #instance = randomUUID();
  readonly #startedAt = performance.now();
  readonly #sandboxes: SandboxRegistry;
  readonly #execs: ExecRegistry;
  readonly #app: FastifyInstance;
  readonly #socket: string;
  #clients = 0;
  #idle: IdleWatch | undefined;
  #opening: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  /** Until when it waits for the execs of others to end, on the clock of `performance`. */
  #waitsUntil = Infinity;
  #onStopped: () => void = () => undefined;
  /** Resolves when it has stopped and left nothing behind but its sandboxes and records. */
  readonly stopped = new Promise<void>((resolve) => {
    this.#onStopped = resolve;
  });

  constructor(options: DaemonOptions) {
    this.#options = options;
    const { stateDir, driver, uid, log } = options;
    const owner = `uid:${options.owner}`;
    this.#socket = prepareSocketPath(stateDir, { owner: options.owner, uid });
    this.#sandboxes = new SandboxRegistry({ driver, directory: join(stateDir, 'sandboxes'), owner, log });
    this.#execs = new ExecRegistry({
      driver,
      sandboxes: this.#sandboxes,
      directory: join(stateDir, 'execs'),
      log,
    });
    this.#app = createApp({
      sandboxes: this.#sandboxes,
      execs: this.#execs,
      owner,
      health: () => this.#health(),
      stop: (request) => {
        this.#requestStop(request);
      },
      log,
    });
  }

  /** Takes over what is on disk and listens. Where it throws, it has let go of everything as `stop` does. */
  async open(): Promise<void> {
    this.#opening = this.#open();
    try {
      await this.#opening;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #open(): Promise<void> {
    this.#sandboxes.load();
    this.#execs.load();
    this.#app.server.on('connection', (socket) => {
      this.#clients += 1;
      socket.on('close', () => {
        this.#clients -= 1;
      });
    });
    // We hold the lock: a socket that is there is a dead daemon's.
    removeSocket(this.#socket);
    await this.#app.listen({ path: this.#socket });
    chmodSync(this.#socket, 0o600);
    this.#writeFile();
    this.#idle = new IdleWatch(this.#options.idleExitMs, {
      isBusy: () => this.#isBusy() || this.#clients > 0,
      // Whoever comes now starts another server, which waits for our lock, and is not told that this one stops.
      onLeaving: () => {
        hideSocket(this.#socket);
      },
      onStaying: () => {
        showSocket(this.#socket);
      },
      onIdle: () => void this.stop(),
    });
  }

  /**
   * Starts nothing more, and waits for the execs that have an owner client, until it has read all of them, for `waitMs`
   * milliseconds at most. Then it ends what runs, tells the readers, and lets go of everything. Another call can only shorten the waiting.
   */
  stop({ waitMs = 0 }: { waitMs?: number } = {}): Promise<void> {
    this.#waitsUntil = Math.min(this.#waitsUntil, performance.now() + waitMs);
    // What is half open would go on opening behind us.
    this.#stopping ??= this.#opening.catch(() => undefined).then(() => this.#stop());
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#idle?.stop();
    this.#execs.refuseStarts();
    this.#sandboxes.refuseNew();
    while (this.#isAnyoneWaiting() && performance.now() < this.#waitsUntil) await delay(10);
    await this.#execs.close();
    await this.#sandboxes.close();
    this.#app.server.closeAllConnections();
    await this.#app.close();
    await this.#options.driver.close();
    removeSocket(this.#socket);
    rmSync(toDaemonFilePath(this.#options.stateDir), { force: true });
    this.#onStopped();
  }

  #isBusy(): boolean {
    const { runningCount, hasBackground, isAnyAwaited } = this.#execs;
    return runningCount > 0 || hasBackground || isAnyAwaited || this.#sandboxes.isAwaitingExpiry;
  }

  #isAnyoneWaiting(): boolean {
    return this.#execs.isAnyAttached || this.#execs.isAnyRead;
  }

  #requestStop({ if_idle: ifIdle = false, wait_ms: waitMs = 0 }: StopRequest): void {
    const running = this.#execs.runningCount;
    if (ifIdle && running > 0) throw new SbxError('busy', `Cannot stop the daemon: it runs ${running} execs`);
    // After the answer is on its way.
    setImmediate(() => void this.stop({ waitMs }));
  }

  #health(): HealthAnswer {
    return {
      instance: this.#instance,
      protocol: PROTOCOL,
      version: this.#options.version,
      pid: process.pid,
      uptime_ms: Math.round(performance.now() - this.#startedAt),
      runtime: this.#options.driver.runtime,
      sandboxes: this.#sandboxes.size,
      running: this.#execs.runningCount,
    };
  }

  #writeFile(): void {
    const { stateDir, driver, version } = this.#options;
    writeDaemonFile(stateDir, {
      schema: 1,
      instance: this.#instance,
      pid: process.pid,
      start_time: readProcessStat(process.pid)?.startTime ?? '',
      protocol: PROTOCOL,
      version,
      socket: this.#socket,
      runtime: driver.runtime,
      runtime_path: driver.runtimePath,
    });
  }
}
