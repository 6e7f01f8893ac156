/**
 * `npm run test:nodes [-- vitest arguments]`: the tests that run the built program, with each Node that is supported
 * besides the one that runs this: as a plain user, and as root what that user does not run. npm's packages of Node bring
 * them.
 */
import { access, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { buildProduct, installDependencies, main, root, run, runForStatus, say } from './prepare.mjs';

const MAJORS = [22, 24, 26];
const ROOT_ONLY = ['test/client', 'test/server', 'test/e2e/lasting', 'test/e2e/json'];

await main(async () => {
  await installDependencies();
  await buildProduct();
  const failed = [];
  for (const major of MAJORS) {
    process.env.SBX_TEST_NODE = await installNode(major);
    say(`Running the tests with Node ${major}`);
    const given = process.argv.slice(2);
    const runs =
      given.length > 0
        ? [given]
        : [
            ['--project', 'rootless'],
            ['--project', 'root', ...ROOT_ONLY],
          ];
    for (const words of runs) {
      const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...words];
      if ((await runForStatus(process.execPath, vitest)) !== 0) failed.push(`Node ${major}`);
    }
  }
  if (failed.length > 0) throw new Error(failed.join(', '));
});

/** Gives the directory of the program. */
async function installNode(major) {
  const name = `node-linux-${process.arch}`;
  const prefix = path.join(root, 'node_modules/.cache/nodes', String(major));
  const bin = path.join(prefix, 'node_modules', name, 'bin');
  if (await isThere(path.join(bin, 'node'))) return bin;
  say(`Installing Node ${major}`);
  await mkdir(prefix, { recursive: true });
  const quiet = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
  await run('npm', ['install', ...quiet, '--prefix', prefix, `${name}@${major}`]);
  return bin;
}

function isThere(file) {
  return access(file).then(
    () => true,
    () => false,
  );
}
