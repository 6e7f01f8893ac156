import { afterAll, beforeAll, expect, it } from 'vitest';
import { openHome, type Home } from '../support/home.ts';
import { runShell } from '../support/shell.ts';
import { describeTree, makeTree } from '../support/tree.ts';
import { openWorkplace, type Workplace } from '../support/workplace.ts';

let home: Home;
let work: Workplace;
let sandbox: string;

beforeAll(async () => {
  work = await openWorkplace();
  home = await openHome({
    BORG_RSH: 'sbx rsh',
    BORG_BASE_DIR: `${work.path}/borg`,
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  });
  sandbox = await home.createSandbox();
  await makeTree(home, `${work.path}/tree`, 'fractions');
});
afterAll(async () => {
  await home.close();
  await work.close();
});

it('borg keeps a backup in a sandbox with BORG_RSH="sbx rsh", checks it, and restores it', async () => {
  const script = `
    set -e; cd ${work.path}
    export BORG_REPO="ssh://root@$1/workspace/backups"
    borg init --encryption none
    borg create ::first tree
    borg check --verify-data
    mkdir restored && cd restored && borg extract ::first`;
  const result = await runShell(home, script, [sandbox]);
  expect(result).toEqual({ stdout: '', stderr: '', exitCode: 0 });
  expect(await describeTree(home, `${work.path}/restored/tree`)).toBe(
    await describeTree(home, `${work.path}/tree`),
  );
});
