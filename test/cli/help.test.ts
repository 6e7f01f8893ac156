import { afterAll, beforeAll, expect, it } from 'vitest';
import { openHome, type Home } from '../support/home.ts';

let home: Home;

beforeAll(async () => {
  home = await openHome();
});

afterAll(() => home.close());

const COMMANDS =
  'exec rsh ps logs attach wait kill create ls inspect rm daemon serve setup doctor version'.split(' ');

it.each(COMMANDS)('the help of sbx %s begins with what is typed', async (name) => {
  const { stdout, stderr, exitCode } = await home.run([name, '--help']);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  expect(stdout).toMatch(new RegExp(`^Usage: sbx ${name} .*\\n\\n`));
});
