import { afterAll, beforeAll, expect, it } from 'vitest';
import { openHome, type Home } from '../support/home.ts';

let home: Home;
let sandbox: string;

beforeAll(async () => {
  home = await openHome();
  sandbox = await home.createSandbox();
});
afterAll(() => home.close());

it('prints what the command printed', async () => {
  const { stdout, exitCode } = await home.run(['exec', sandbox, 'echo', 'hi']);
  expect({ stdout, exitCode }).toEqual({ stdout: 'hi\n', exitCode: 0 });
});
