/** `npm run demo`: from a fresh clone to a command that has run in a sandbox. */
import { buildProduct, installDependencies, main, runForStatus, say, sbx, setUpRuntime } from './prepare.mjs';

const command = ['uname', '-a'];

await main(async () => {
  await installDependencies();
  await buildProduct();
  await setUpRuntime();
  say(`Running a command in a sandbox: bin/sbx exec -- ${command.join(' ')}`);
  const status = await runForStatus(sbx, ['exec', '--', ...command]);
  say(`It ended with exit status ${status}`);
  process.exitCode = status;
});
