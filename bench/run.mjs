/**
 * `npm run bench [-- options] [names or letters of measures]`
 *
 *   --only sbx,docker   these contenders
 *   --quick             fewer and smaller samples
 *   --write             also write docs/benchmarks.md
 *   --json FILE         also write every sample there
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { arch, cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openCleanUp, toShell } from './clean-up.mjs';
import { openers } from './contenders.mjs';
import { measures, shorten } from './measures.mjs';
import { toDocument } from './document.mjs';
import { toRows, toTable } from './report.mjs';

const python = '/usr/bin/python3';
const driver = fileURLToPath(new URL('measure.py', import.meta.url));
const docs = fileURLToPath(new URL('../docs/', import.meta.url));

const flags = {
  only: { type: 'string' },
  quick: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  json: { type: 'string' },
};
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => interruption.abort(new Error(`Ended by ${signal}`)));
}

const cleanUp = openCleanUp();
try {
  await main(parseArgs({ allowPositionals: true, options: flags }));
} catch (error) {
  const { message } = interruption.signal.aborted ? interruption.signal.reason : error;
  console.error(`bench: ${message}`);
  process.exitCode = 1;
} finally {
  await cleanUp.close();
}

async function main({ values: options, positionals }) {
  const chosen = chooseMeasures(positionals);
  const load = loadavg()[0].toFixed(1);
  const contenders = await openContenders(options.only?.split(',') ?? findContenders(chosen));
  const titles = Object.fromEntries(
    Object.entries(contenders.found).map(([name, { title }]) => [name, title]),
  );
  const results = {};
  const rows = {};
  for (const name of [...chosen].sort(memoryFirst)) {
    results[name] = await takeMeasure(name, { ...contenders, isQuick: options.quick });
    rows[name] = toRows(measures[name], measures[name].forms ?? titles, results[name]);
    console.log(`${toTable(rows[name])}\n`);
  }
  const table = toTable(chosen.flatMap((name) => rows[name]));
  const machine = describeMachine({ load, words: toWords(options, positionals), contenders });
  if (chosen.length > 1) console.log(table);
  console.log(`\n${machine.join('\n')}`);
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify(results));
  if (options.write) await writeDocument({ table, machine });
}

/** What a process has ever needed it may keep, and would then not be seen to need again. */
function memoryFirst(a, b) {
  return Number(b === 'memory') - Number(a === 'memory');
}

function chooseMeasures(names) {
  const all = Object.keys(measures);
  const known = all.map((name) => `${measures[name].letter} or ${name}`).join(', ');
  for (const name of names) {
    if (!all.some((each) => each === name || measures[each].letter === name))
      throw new Error(`There is no measure "${name}"; there are: ${known}`);
  }
  return all.filter(
    (name) => names.length === 0 || names.includes(name) || names.includes(measures[name].letter),
  );
}

/** Those that any of the measures compares. */
function findContenders(chosen) {
  return Object.keys(openers).filter((name) =>
    chosen.some((each) => measures[each].only?.includes(name) ?? true),
  );
}

async function openContenders(names) {
  const dir = await mkdtemp(join(tmpdir(), 'sbx-bench-'));
  cleanUp.announce(`rm -rf ${toShell([dir])}`);
  // Of our own environment only this: NODE_EXTRA_CA_CERTS, for one, would slow down every start of Node.
  const path = [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(
    ':',
  );
  const env = { PATH: path, HOME: dir, LANG: 'C.UTF-8' };
  if (process.env.DOCKER_HOST !== undefined) env.DOCKER_HOST = process.env.DOCKER_HOST;
  const found = {};
  const missing = {};
  for (const name of names) {
    if (!(name in openers))
      throw new Error(`There is no contender "${name}": ${Object.keys(openers).join(', ')}`);
    interruption.signal.throwIfAborted();
    say(`opening ${name}`);
    const contender = await openers[name]({ dir, env, cleanUp });
    if (typeof contender === 'string') missing[name] = contender;
    else found[name] = contender;
  }
  for (const [name, reason] of Object.entries(missing)) say(`without ${name}: ${reason}`);
  return { found, missing, env };
}

async function takeMeasure(name, { found, env, isQuick }) {
  const measure = measures[name];
  const order = isQuick ? shorten(measure.order) : measure.order;
  const those = Object.entries(found).filter(([each]) => measure.only?.includes(each) ?? true);
  const commands = {};
  const here = { here: env.HOME };
  if (measure.prepareHere !== undefined) await runDriver(measure.prepareHere(here), env);
  for (const [each, { wrap, dir, remote, own, processes = {}, sweep = [] }] of those) {
    const all = { ...order, ...here, ...remote, ...own };
    if (measure.prepare !== undefined) await runDriver(measure.prepare(wrap, dir, all), env);
    const given = measure.commands(wrap, dir, all);
    for (const [form, command] of Object.entries(measure.forms === undefined ? { [each]: given } : given))
      commands[form] = { ...command, processes, sweep };
  }
  say(`measuring (${measure.letter}) ${measure.title}`);
  const spec = JSON.stringify({ take: measure.take, commands, ...order });
  return JSON.parse(await runDriver([python, driver, spec], env));
}

/** Gives what the program prints. It leads a process group of its own, which ends with us. */
async function runDriver([program, ...args], env) {
  const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const end = () => process.kill(-child.pid, 'SIGKILL');
  interruption.signal.addEventListener('abort', end);
  const closed = once(child, 'close');
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  const [status] = await closed;
  interruption.signal.removeEventListener('abort', end);
  interruption.signal.throwIfAborted();
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return text;
}

/** What of the command line decides the figures. */
function toWords({ only, quick }, names) {
  return [...names, ...(only === undefined ? [] : ['--only', only]), ...(quick ? ['--quick'] : [])];
}

function describeMachine({ load, words, contenders: { found, missing } }) {
  const versions = Object.values(found).flatMap(({ versions }) =>
    Object.entries(versions).map(([name, version]) => `${name}: ${version}`),
  );
  return [
    `- Command: \`${['npm run bench', ...(words.length > 0 ? ['--', ...words] : [])].join(' ')}\``,
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Machine: ${cpus().length} × ${cpus()[0].model}, ${arch()}, ${(totalmem() / 1024 ** 3).toFixed(0)} GiB, Linux ${release()}; load average ${load} before the start`,
    `- Node ${process.versions.node}, NODE_EXTRA_CA_CERTS unset`,
    ...versions.map((line) => `- ${line}`),
    ...Object.entries(missing).map(([name, reason]) => `- not measured, ${name}: ${reason}`),
  ];
}

/** The figures anew; what people have written below them, from the first heading on, stays. */
async function writeDocument(content) {
  await mkdir(docs, { recursive: true });
  const path = join(docs, 'benchmarks.md');
  const before = await readFile(path, 'utf8').catch(() => '');
  const heading = before.indexOf('\n## ');
  await writeFile(path, (await toDocument(content)) + (heading === -1 ? '' : before.slice(heading)));
}

function say(text) {
  console.error(`bench: ${text}`);
}
