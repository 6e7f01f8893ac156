/**
 * Builds dist/: the bundles with esbuild, the SDK's declarations with tsc, both at once.
 * `--no-types` leaves the declarations out, for a quick turn at the desk.
 */
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { root, run } from './prepare.mjs';

const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
const dist = path.join(root, 'dist');

/** Name in dist/ → source. Whatever is started on its own needs a line here. */
const entryPoints = { main: 'src/cli/main.ts', index: 'src/index.ts' };

/** koffi loads a native file from beside itself; fastify requires by computed names. Both stay installed packages. */
const external = ['koffi', 'fastify'];

/** Bundled CommonJS (commander) requires built-ins, which an ES module can do only with a `require` of its own. */
const requireForCommonJs =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

async function bundle() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir: 'dist',
    bundle: true,
    splitting: true, // a command's chunk is read only when that command runs
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external,
    banner: { js: requireForCommonJs },
    define: { __SBX_VERSION__: JSON.stringify(version) },
    // Lines and names stay as they are written, so that the stack of a bug can be read without a source map,
    // which Node would not use unless it was started with a flag. Minified lines start no sooner (measured).
    minifySyntax: true,
    legalComments: 'none', // the whole licences are written beside the bundles instead
    logLevel: 'warning',
    metafile: true,
  });
  await writeLicenses(metafile);
}

/** The licences of the packages that are inside the bundles, which they ask to travel with their code. */
async function writeLicenses(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
    if (found) packages.add(found[0]);
  }
  const texts = await Promise.all([...packages].sort().map(readLicense));
  await writeFile(path.join(dist, 'LICENSES.txt'), texts.join('\n'));
}

async function readLicense(folder) {
  const directory = path.join(root, folder);
  const file = (await readdir(directory)).find((name) => /^licen[cs]e/i.test(name));
  if (file === undefined) throw new Error(`No licence file in ${folder}: it cannot be bundled`);
  const text = await readFile(path.join(directory, file), 'utf8');
  return `${folder.replace(/^.*node_modules\//, '')}\n\n${text}`;
}

async function declarations() {
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json']);
}

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
const jobs = process.argv.includes('--no-types') ? [bundle()] : [bundle(), declarations()];
const failed = (await Promise.allSettled(jobs)).filter(({ status }) => status === 'rejected');
for (const { reason } of failed) {
  if (!('errors' in reason)) console.error(reason.message); // esbuild has shown its own
}
process.exitCode = failed.length > 0 ? 1 : 0;
