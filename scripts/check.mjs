/**
 * `npm run check`: everything the gate asks besides the tests, which is each `check:*` script of package.json.
 * Runs all of them and says at the end which failed.
 */
import { readFile } from 'node:fs/promises';
import { installDependencies, main, runForStatus, say } from './prepare.mjs';

const { scripts } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));

await main(async () => {
  await installDependencies();
  const checks = Object.keys(scripts).filter((name) => name.startsWith('check:'));
  const failed = [];
  for (const name of ['build', ...checks]) {
    say(`${name}: ${scripts[name]}`);
    const status = await runForStatus('npm', ['run', '--silent', name]);
    if (status !== 0) failed.push(name);
  }
  if (failed.length > 0) throw new Error(failed.join(', '));
  say('All checks passed');
});
