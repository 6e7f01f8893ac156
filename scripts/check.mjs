/** `npm run check`: everything the gate asks besides the tests. Runs all of it and says at the end what failed. */
import { buildProduct, installDependencies, main, runForStatus, say } from './prepare.mjs';

/** What is checked → the program in node_modules that checks it, with its arguments. */
const checks = {
  format: ['prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'],
  lint: ['eslint/bin/eslint.js', '--max-warnings=0', '.'],
  types: ['typescript/bin/tsc'],
  'unused code': ['knip/bin/knip.js'],
  'package exports': ['publint/src/cli.js', '--strict'],
  // The drift of generated files (man pages, the README's command list) is checked here.
};

await main(async () => {
  await installDependencies();
  await buildProduct();
  const failed = [];
  for (const [name, [program, ...args]] of Object.entries(checks)) {
    say(`Checking ${name}`);
    const status = await runForStatus(process.execPath, [`node_modules/${program}`, ...args]);
    if (status !== 0) failed.push(name);
  }
  if (failed.length > 0) throw new Error(`checks of ${failed.join(', ')}`);
  say('All checks passed');
});
