import { Command, Option } from 'commander';
import { listExecs } from '../../client/api.ts';
import type { ExecRecord } from '../../protocol/api.ts';
import { parseErrorBody } from '../../protocol/errors.ts';
import { SBX_FAILED, toExitStatus } from '../../protocol/exit.ts';
import { withConnection } from '../connect.ts';
import type { Context } from '../context.ts';
import { printJson } from '../json/print-json.ts';
import { addHostOption, toHost, type HostFlag } from '../options/host.ts';
import { parseWords } from '../options/parse-options.ts';
import { formatCommandWords } from '../output/command-words.ts';
import { formatTable } from '../output/table.ts';

export interface PsOptions extends HostFlag {
  readonly sandbox: string | undefined;
  readonly hasAll: boolean;
  readonly form: 'table' | 'ids' | 'json';
}

interface Flags extends HostFlag {
  all?: true;
  quiet?: true;
  json?: true;
}

const HEADER = ['EXEC', 'SANDBOX', 'STATE', 'CREATED', 'STATUS', 'COMMAND'];
const COMMAND_WIDTH = 60;

export function createPsCommand(): Command {
  const command = new Command('ps')
    .summary('list execs')
    .description('Lists your execs, a line each, oldest first: those that run, or all that are on record.')
    .argument('[sandbox]', 'only those in this sandbox, a name or an id')
    .option('-a, --all', 'also those that have ended')
    .option('-q, --quiet', 'ids only')
    .addOption(new Option('--json', 'print one JSON object with the records').conflicts('quiet'));
  return addHostOption(command);
}

export function parsePs(args: readonly string[]): PsOptions {
  const { flags, words } = parseWords<Flags>(createPsCommand(), args);
  const form = flags.json ? 'json' : flags.quiet ? 'ids' : 'table';
  return { ...toHost(flags), sandbox: words[0], hasAll: flags.all ?? false, form };
}

export async function run(args: readonly string[], context: Context): Promise<number> {
  const options = parsePs(args);
  const { sandbox, hasAll, form } = options;
  const execs = await withConnection(context, options, (connection) =>
    listExecs(connection, { active: !hasAll, sandbox }),
  );
  const sorted = execs.toSorted((a, b) => a.created.localeCompare(b.created));
  if (form === 'json') await printJson(context, { execs: sorted });
  else if (form === 'ids') await context.print(sorted.map(({ id }) => `${id}\n`).join(''));
  else await context.print(formatTable(HEADER, sorted.map(toRow)));
  return 0;
}

function toRow(record: ExecRecord): string[] {
  const { id, sandbox, state, created, argv } = record;
  return [
    id.slice(0, 8),
    sandbox.name,
    state,
    created,
    String(findStatus(record) ?? '-'),
    formatCommandWords(argv, COMMAND_WIDTH),
  ];
}

/** What `sbx wait` would exit with; undefined while it runs. */
function findStatus({ state, exit, reason, error }: ExecRecord): number | undefined {
  if (state === 'created' || state === 'running') return undefined;
  if (state === 'exited' && reason !== null) return toExitStatus({ exit, reason });
  return parseErrorBody(error)?.exitStatus ?? SBX_FAILED;
}
