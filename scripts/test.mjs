/** `npm test [-- vitest arguments]`: from a fresh clone to the results of all tests. Ends with vitest's status. */
import {
  buildProduct,
  installDependencies,
  installTestPrograms,
  main,
  runForStatus,
  say,
  setUpRuntime,
} from './prepare.mjs';

await main(async () => {
  await installDependencies();
  await buildProduct();
  await setUpRuntime();
  await installTestPrograms();
  say('Running the tests');
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)];
  process.exitCode = await runForStatus(process.execPath, vitest);
});
