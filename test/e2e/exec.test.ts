import { expect, it } from 'vitest';
import { useHome, useSandbox } from '../support/home.ts';

const home = useHome();
const sandbox = useSandbox(home);

it('prints no hint with -q, and the error all the same', async () => {
  const loud = await home.run(['exec', sandbox, 'no-such-command']);
  const quiet = await home.run(['exec', '-q', sandbox, 'no-such-command']);
  const text = String(loud.stderr);
  expect(text).toMatch(/^sbx: .*no-such-command.*\nsbx: hint: .*\n$/);
  expect(quiet).toMatchObject({ stderr: `${text.split('\n', 1)[0]}\n`, exitCode: 127 });
});

it('prints what the command printed', async () => {
  const { stdout, exitCode } = await home.run(['exec', sandbox, 'echo', 'hi']);
  expect({ stdout, exitCode }).toEqual({ stdout: 'hi\n', exitCode: 0 });
});
