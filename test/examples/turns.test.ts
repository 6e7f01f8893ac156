import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { useHome } from '../support/home.ts';
import { runShell } from '../support/shell.ts';

const DRIVER = fileURLToPath(new URL('../../examples/turns.py', import.meta.url));

const home = useHome();

it('examples/turns.py talks with a Python in a sandbox, line by line', async () => {
  const lines = ['x = 6', 'x * 7', "'\\N{GRINNING FACE}' * 3", 'sum(range(x))'];
  const result = await runShell(home, 'python3 "$@"', [DRIVER, ...lines]);
  expect(result).toEqual({
    stdout: "42\n'😀😀😀'\n15\nexit: {'code': 0}\n",
    stderr: '',
    exitCode: 0,
  });
});

it('examples/turns.py says how a session ended that ended too early', async () => {
  const { stdout, stderr, exitCode } = await runShell(home, 'python3 "$@"', [DRIVER, '1 + 1', 'exit(3)']);
  expect({ stdout, exitCode }).toEqual({ stdout: '2\n', exitCode: 1 });
  expect(stderr).toContain("the session ended: {'event': 'exit'");
});
