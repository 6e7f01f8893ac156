import { Command } from 'commander';
import { readHealth } from '../../client/api.ts';
import { findDaemon, openDaemon, stopDaemon, type Found } from '../../client/daemon.ts';
import { STOP_TIMEOUT_MS, type HealthAnswer } from '../../protocol/api.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { SbxError } from '../../protocol/errors.ts';
import { toDaemonOptions } from '../connect.ts';
import type { Context } from '../context.ts';
import { printJson } from '../json/print-json.ts';
import { parseWords } from '../options/parse-options.ts';

export function createDaemonCommand(): Command {
  return new Command('daemon')
    .summary('look at, stop or restart the daemon')
    .description(
      'The daemon is the server of this user. It starts by itself at the first command and goes when it is idle. Stopping it ends the execs that run, those with a client when --stop-timeout has passed; sandboxes survive.',
    )
    .argument('<action>', 'status, stop or restart')
    .option('--if-idle', 'stop or restart only when no exec runs')
    .option(
      '--stop-timeout <duration>',
      'how long execs that have a client may take to end by themselves (default: 10s with restart, 0s with stop)',
      parseDuration,
    )
    .option('--json', 'with status: print one JSON object');
}

interface Flags {
  ifIdle?: true;
  stopTimeout?: number;
  json?: true;
}

interface ActionOptions {
  readonly ifIdle: boolean;
  /** Undefined: what the action has. */
  readonly stopTimeoutMs: number | undefined;
  readonly isJson: boolean;
}

type Action = (context: Context, options: ActionOptions) => Promise<number>;

const ACTIONS: Readonly<Record<string, Action>> = { status: printStatus, stop, restart };

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags, words } = parseWords<Flags>(createDaemonCommand(), args);
  const name = words[0] as string;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    throw new SbxError('usage', `"${name}" is nothing the daemon can do`, {
      hint: 'Use: sbx daemon status|stop|restart',
    });
  }
  const { ifIdle = false, stopTimeout: stopTimeoutMs, json: isJson = false } = flags;
  return action(context, { ifIdle, stopTimeoutMs, isJson });
}

/** Status 0 where it runs, 1 where it does not, as with service managers. */
async function printStatus(context: Context, { isJson }: ActionOptions): Promise<number> {
  const found = await findOwn(context);
  if (found === undefined) {
    await (isJson ? printJson(context, { running: false }) : context.print('not running\n'));
    return 1;
  }
  const connection = await found.transport.connect();
  const health = await readHealth(connection);
  connection.close();
  const { socket } = found.file;
  if (isJson) await printJson(context, { running: true, ...toJsonStatus(health), socket });
  else await context.print(formatStatus(health, socket));
  return 0;
}

function formatStatus(health: HealthAnswer, socket: string): string {
  const { pid, version, runtime, sandboxes, running, uptime_ms } = health;
  const seconds = Math.round(uptime_ms / 1000);
  return `running: pid ${pid}, version ${version}, runtime ${runtime}, up ${seconds} s, ${sandboxes} sandboxes, ${running} execs\nsocket: ${socket}\n`;
}

/** Field by field: what a later server says beyond them is not described. */
function toJsonStatus(health: HealthAnswer): object {
  const { pid, version, protocol, runtime, uptime_ms, sandboxes, running: execs } = health;
  return { pid, version, protocol, runtime, uptime_ms, sandboxes, execs };
}

async function stop(context: Context, { ifIdle, stopTimeoutMs: waitMs = 0 }: ActionOptions): Promise<number> {
  const found = await findOwn(context);
  if (found !== undefined) await stopDaemon(found, { ifIdle, waitMs });
  return 0;
}

async function restart(context: Context, options: ActionOptions): Promise<number> {
  await stop(context, { ...options, stopTimeoutMs: options.stopTimeoutMs ?? STOP_TIMEOUT_MS });
  const transport = await openDaemon(toDaemonOptions(context));
  (await transport.connect()).close();
  return 0;
}

function findOwn(context: Context): Promise<Found | undefined> {
  return findDaemon(toDaemonOptions(context));
}
