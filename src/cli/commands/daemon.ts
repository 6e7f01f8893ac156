import { Command } from 'commander';
import { readHealth } from '../../client/api.ts';
import { findDaemon, openDaemon, stopDaemon, type Found } from '../../client/daemon.ts';
import type { HealthAnswer } from '../../protocol/api.ts';
import { SbxError } from '../../protocol/errors.ts';
import { toDaemonOptions } from '../connect.ts';
import type { Context } from '../context.ts';
import { printJson } from '../json/print-json.ts';
import { parseWords } from '../options/parse-options.ts';

export function createDaemonCommand(): Command {
  return new Command('daemon')
    .summary('look at, stop or restart the daemon')
    .description(
      'The daemon is the server of this user. It starts by itself at the first command and goes when it is idle. Stopping it ends the execs that run; sandboxes survive.',
    )
    .argument('<action>', 'status, stop or restart')
    .option('--if-idle', 'stop or restart only when no exec runs')
    .option('--json', 'with status: print one JSON object');
}

interface ActionOptions {
  readonly ifIdle: boolean;
  readonly isJson: boolean;
}

type Action = (context: Context, options: ActionOptions) => Promise<number>;

const ACTIONS: Readonly<Record<string, Action>> = { status: printStatus, stop, restart };

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { flags, words } = parseWords<{ ifIdle?: true; json?: true }>(createDaemonCommand(), args);
  const name = words[0] as string;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    throw new SbxError('usage', `"${name}" is nothing the daemon can do`, {
      hint: 'Use: sbx daemon status|stop|restart',
    });
  }
  return action(context, { ifIdle: flags.ifIdle ?? false, isJson: flags.json ?? false });
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

async function stop(context: Context, { ifIdle }: ActionOptions): Promise<number> {
  const found = await findOwn(context);
  if (found !== undefined) await stopDaemon(found, { ifIdle });
  return 0;
}

async function restart(context: Context, options: ActionOptions): Promise<number> {
  await stop(context, options);
  const transport = await openDaemon(toDaemonOptions(context));
  (await transport.connect()).close();
  return 0;
}

function findOwn(context: Context): Promise<Found | undefined> {
  return findDaemon(toDaemonOptions(context));
}
