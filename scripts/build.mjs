/**
 * Builds dist/: the bundles with esbuild, the SDK's declarations with tsc, both at once.
 * `--no-types` leaves the declarations out, for a quick turn at the desk.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { root, run } from './prepare.mjs';

const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
const dist = path.join(root, 'dist');
/** Built beside it and put in its place whole: what runs from dist/ meanwhile never finds half of it. */
const fresh = path.join(root, 'dist.new');

/** What both bundles are made with. */
const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  // koffi loads a native file from beside itself; fastify requires by computed names. Both stay installed packages.
  external: ['koffi', 'fastify'],
  define: { __SBX_VERSION__: JSON.stringify(version) },
  // Lines and names stay as they are written, so that the stack of a bug can be read without a source map,
  // which Node would not use unless it was started with a flag.
  minifySyntax: true,
  legalComments: 'none', // the whole licences are written beside the bundles instead
  logLevel: 'warning',
  metafile: true,
};

/**
 * The program: one CommonJS file, in which a command's modules run when that command does. Node starts it a quarter
 * sooner than the same code as ES modules in chunks, each of which is resolved and read by itself (measured).
 */
const program = { entryPoints: ['src/cli/main.ts'], outfile: path.join(fresh, 'main.cjs'), format: 'cjs' };
const sdk = { entryPoints: ['src/index.ts'], outfile: path.join(fresh, 'index.js'), format: 'esm' };

async function bundle() {
  const built = await Promise.all([program, sdk].map((entry) => build({ ...common, ...entry })));
  await leaveOnlyAscii(program.outfile);
  await promisify(execFile)(process.execPath, ['scripts/make-cache.mjs', fresh], { cwd: root });
  await writeLicenses(built.flatMap(({ metafile }) => Object.keys(metafile.inputs)));
}

/** esbuild escapes what is not ASCII in strings; what is left stands in comments. */
async function leaveOnlyAscii(file) {
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replaceAll(/[^\0-\x7f]/g, '?'));
}

/** The licences of the packages that are inside the bundles, which they ask to travel with their code. */
async function writeLicenses(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
    if (found) packages.add(found[0]);
  }
  const texts = await Promise.all([...packages].sort().map(readLicense));
  await writeFile(path.join(fresh, 'LICENSES.txt'), texts.join('\n'));
}

async function readLicense(folder) {
  const directory = path.join(root, folder);
  const file = (await readdir(directory)).find((name) => /^licen[cs]e/i.test(name));
  if (file === undefined) throw new Error(`No licence file in ${folder}: it cannot be bundled`);
  const text = await readFile(path.join(directory, file), 'utf8');
  return `${folder.replace(/^.*node_modules\//, '')}\n\n${text}`;
}

async function declarations() {
  const outDir = path.join(fresh, 'types');
  const tsc = 'node_modules/typescript/bin/tsc';
  await run(process.execPath, [tsc, '--project', 'tsconfig.build.json', '--outDir', outDir]);
}

await rm(fresh, { recursive: true, force: true });
await mkdir(fresh);
const jobs = process.argv.includes('--no-types') ? [bundle()] : [bundle(), declarations()];
const failed = (await Promise.allSettled(jobs)).filter(({ status }) => status === 'rejected');
for (const { reason } of failed) {
  if (!('errors' in reason)) console.error(reason.message); // esbuild has shown its own
}
if (failed.length > 0) process.exit(1);
await rm(dist, { recursive: true, force: true });
await rename(fresh, dist);
