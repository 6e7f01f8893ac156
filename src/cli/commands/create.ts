import { Command, Option } from 'commander';
import { createSandbox } from '../../client/api.ts';
import type { ServerAddress } from '../../client/server-address.ts';
import type { CreateSandboxRequest, Network } from '../../protocol/api.ts';
import { parseDuration } from '../../protocol/duration.ts';
import { SbxError } from '../../protocol/errors.ts';
import { parseSandboxName } from '../../protocol/names.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { printJson } from '../json/print-json.ts';
import { addHostOption, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';

export interface CreateOptions {
  readonly request: CreateSandboxRequest;
  readonly runtime: string | undefined;
  readonly host: ServerAddress | undefined;
  readonly isJson: boolean;
}

interface Flags extends HostFlag {
  label: string[];
  ttl?: number;
  network?: Network;
  runtime?: string;
  json?: true;
}

export function createCreateCommand(): Command {
  const command = new Command('create')
    .summary('make a sandbox, print its name')
    .description(
      'Makes a sandbox that lives until it is removed or its time to live has passed, and prints its name.',
    )
    .argument('[name]', 'a-z, 0-9 and -; a readable one is made up where none is given')
    .option('--label <K=V>', 'attach a label', (value: string, before: string[]) => [...before, value], [])
    .option('--ttl <duration>', 'remove it when it is this old', parseDuration)
    .addOption(new Option('--network <mode>', 'network inside (default: none)').choices(['none', 'host']))
    .option('--runtime <name>', 'OCI runtime for the daemon to use: crun, runc or a path')
    .option('--json', 'print one JSON object, as sbx inspect does');
  return addHostOption(command);
}

export function parseCreate(args: readonly string[]): CreateOptions {
  const { flags, words } = parseWords<Flags>(createCreateCommand(), args);
  const [name] = words;
  return {
    request: {
      labels: Object.fromEntries(flags.label.map(parseLabel)),
      ...(name !== undefined && { name: parseSandboxName(name) }),
      ...(flags.ttl !== undefined && { ttl_ms: flags.ttl }),
      ...(flags.network !== undefined && { network: flags.network }),
    },
    runtime: flags.runtime,
    host: flags.host,
    isJson: flags.json ?? false,
  };
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const { request, isJson, ...choice } = parseCreate(args);
  const sandbox = await withConnection(context, choice, (connection) => createSandbox(connection, request));
  if (isJson) await printJson(context, { ...sandbox });
  else await context.print(`${sandbox.name}\n`);
  return 0;
}

function parseLabel(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new SbxError('usage', `"${text}" is not a label`, { hint: 'Use --label NAME=VALUE' });
}
