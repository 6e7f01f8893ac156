import { expect, it } from 'vitest';
import { useHome } from '../support/home.ts';

const home = useHome();

const COMMANDS =
  'exec rsh ps logs attach wait kill create ls inspect rm daemon serve setup doctor version'.split(' ');

it.each(COMMANDS)('the help of sbx %s begins with what is typed', async (name) => {
  const { stdout, stderr, exitCode } = await home.run([name, '--help']);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  expect(stdout).toMatch(new RegExp(`^Usage: sbx ${name} .*\\n\\n`));
});
