/**
 * `npm run generate`: writes what is made from the code: the man pages, the lists in README.md, and the field `man` of
 * package.json. With `--check` it writes nothing and fails where a file is not what it would write.
 */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import * as prettier from 'prettier';
import { toCommandPage, toMainPage } from './man-page.mjs';
import { toExecStatuses } from './man-texts.mjs';
import { main, root } from './prepare.mjs';

const sources = `
  export { createProgram } from './src/cli/program-help.ts';
  export { ERRORS } from './src/protocol/errors.ts';
  export { SBX_FAILED, toExitStatus } from './src/protocol/exit.ts';
`;

await main(async () => {
  const code = await loadSources();
  const program = await code.createProgram();
  const { version } = JSON.parse(await read('package.json'));
  const statuses = toExecStatuses(code);
  const pages = toPages(program, { version, statuses });
  const files = new Map([
    ...pages,
    ['README.md', await updateReadme(program, statuses)],
    ['package.json', await updatePackage([...pages.keys()])],
  ]);
  if (process.argv.includes('--check')) await check(files);
  else for (const [name, text] of files) await writeFile(path.join(root, name), text);
});

/** Bundled beside node_modules, where the packages that are not bundled are found. */
async function loadSources() {
  await mkdir(path.join(root, 'node_modules/.cache'), { recursive: true });
  const directory = await mkdtemp(path.join(root, 'node_modules/.cache/generate-'));
  try {
    const outfile = path.join(directory, 'sources.mjs');
    await build({
      absWorkingDir: root,
      stdin: { contents: sources, resolveDir: root },
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      define: { __SBX_VERSION__: '""' },
      logLevel: 'warning',
    });
    return await import(outfile);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function toPages(program, about) {
  const pages = program.commands.map((command) => [
    `man/sbx-${command.name()}.1`,
    toCommandPage(command, { ...about, program }),
  ]);
  return new Map([['man/sbx.1', toMainPage(program, about)], ...pages]);
}

async function updateReadme(program, statuses) {
  const commands = program.commands.map((command) => [
    `\`sbx ${command.name()} ${command.usage()}\``,
    command.summary(),
  ]);
  const text = replaceParts(await read('README.md'), {
    commands: toTable(['Command', 'What it does'], commands),
    statuses: toTable(
      ['Status', 'When'],
      statuses.map(([status, when]) => [`\`${status}\``, when]),
    ),
  });
  const options = await prettier.resolveConfig(path.join(root, 'README.md'));
  return prettier.format(text, { ...options, parser: 'markdown' });
}

/** What stands between `<!-- generated: NAME -->` and `<!-- end -->` is ours. */
function replaceParts(text, parts) {
  return Object.entries(parts).reduce((before, [name, part]) => {
    const between = new RegExp(`(<!-- generated: ${name} -->\n)[^]*?(<!-- end -->)`);
    if (!between.test(before)) throw new Error(`README.md has no place for ${name}`);
    return before.replace(between, (_, start, end) => `${start}\n${part}\n${end}`);
  }, text);
}

function toTable(header, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return [header, header.map(() => '---'), ...rows].map(line).join('');
}

async function updatePackage(pages) {
  const settings = JSON.parse(await read('package.json'));
  return `${JSON.stringify({ ...settings, man: pages.map((page) => `./${page}`) }, null, 2)}\n`;
}

async function check(files) {
  const names = (await readdir(path.join(root, 'man'))).map((name) => `man/${name}`);
  const differing = names.filter((name) => !files.has(name));
  for (const [name, text] of files) {
    if ((await read(name).catch(() => undefined)) !== text) differing.push(name);
  }
  if (differing.length > 0) {
    throw new Error(`not as the code would make them: ${differing.join(', ')}. Run: npm run generate`);
  }
}

function read(name) {
  return readFile(path.join(root, name), 'utf8');
}
