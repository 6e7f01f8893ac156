import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findGuests, makeMark, waitForGuestsToEnd, waitUntil } from '../support/guests.ts';
import { useHome } from '../support/home.ts';
import { runShell, startShell } from '../support/shell.ts';
import { describeTree, describeTreeInside, makeTree } from '../support/tree.ts';
import { openWorkplace, type Workplace } from '../support/workplace.ts';

const RSHS = [{ rsh: 'sbx rsh' }, { rsh: 'sbx exec --stream' }];

const home = useHome();
let work: Workplace;
let sandbox: string;

beforeAll(async () => {
  work = await openWorkplace();
  await makeTree(home, `${work.path}/tree`, 'fractions');
});
afterAll(async () => {
  await work.close();
});
beforeEach(async () => {
  sandbox = await home.createSandbox();
});

/** Runs rsync on this machine. Owners are those of whoever runs it; fractions of a second count. */
async function rsync(rsh: string, ...args: string[]): Promise<void> {
  const result = await runShell(home, `cd ${work.path} && rsync -rlptH --modify-window=-1 -e "$@"`, [
    rsh,
    ...args,
  ]);
  expect(result).toMatchObject({ stdout: '', stderr: '', exitCode: 0 });
}

describe.each(RSHS)('rsync -e "$rsh"', ({ rsh }) => {
  it('copies a tree into a sandbox, and back, without a difference', async () => {
    const tree = await describeTree(home, `${work.path}/tree`);
    await rsync(rsh, 'tree/', `${sandbox}:inside/`);
    expect(await describeTreeInside(home, sandbox, '/workspace/inside')).toBe(tree);
    const back = work.makeName();
    await rsync(rsh, `${sandbox}:inside/`, `${back}/`);
    expect(await describeTree(home, `${work.path}/${back}`)).toBe(tree);
  });

  it('copies what has changed, and removes what has gone', async () => {
    const changing = work.makeName();
    await makeTree(home, `${work.path}/${changing}`);
    await rsync(rsh, `${changing}/`, `${sandbox}:inside/`);
    const change =
      'cd "$1" && echo more >>lines && rm -r names "second name" && printf x | dd of=large seek=9 conv=notrunc';
    await runShell(home, change, [`${work.path}/${changing}`]);
    await rsync(rsh, '--delete', '--checksum', `${changing}/`, `${sandbox}:inside/`);
    expect(await describeTreeInside(home, sandbox, '/workspace/inside')).toBe(
      await describeTree(home, `${work.path}/${changing}`),
    );
  });

  it('takes names with spaces and what means something to a shell, with --secluded-args', async () => {
    const name = `a  b $HOME 'c' "d" *`;
    await rsync(rsh, '--secluded-args', 'tree/', `${sandbox}:${name}/`);
    expect(await describeTreeInside(home, sandbox, `/workspace/${name}`)).toBe(
      await describeTree(home, `${work.path}/tree`),
    );
  });

  it('says that a file is not there, and fails', async () => {
    const { stderr, exitCode } = await runShell(home, 'rsync -a -e "$@"', [
      rsh,
      `${sandbox}:no-such`,
      work.path,
    ]);
    expect(stderr).toContain('/workspace/no-such" failed: No such file or directory');
    expect(exitCode).toBe(23);
  });
});

describe('rsync with RSYNC_RSH="sbx rsh"', () => {
  it('takes names with spaces as they are', async () => {
    const name = `a  b 'c' "d" (e)`;
    const script = `cd ${work.path} && RSYNC_RSH='sbx rsh' rsync -rlptH tree/ "$1:$2/"`;
    expect(await runShell(home, script, [sandbox, name])).toMatchObject({ stderr: '', exitCode: 0 });
    expect(await describeTreeInside(home, sandbox, `/workspace/${name}`)).toBe(
      await describeTree(home, `${work.path}/tree`),
    );
  });

  it('runs as the user that stands before the sandbox', async () => {
    const script = `cd ${work.path} && RSYNC_RSH='sbx rsh' rsync -rlpt tree/lines "nobody@$1:/tmp/"`;
    expect(await runShell(home, script, [sandbox])).toMatchObject({ stderr: '', exitCode: 0 });
    const owner = await home.run(['exec', sandbox, 'stat', '-c', '%U', '/tmp/lines']);
    expect(owner.stdout).toBe('nobody\n');
  });

  it('says what is wrong where there is no such sandbox', async () => {
    const script = `RSYNC_RSH='sbx rsh' rsync -a no-such:x ${work.path}`;
    const { stderr, exitCode } = await runShell(home, script);
    expect(stderr).toMatch(/^sbx: .*"no-such"/);
    expect(exitCode).not.toBe(0);
  });
});

it.each([
  { way: 'in', from: 'tree/large', to: '"$1:$2"' },
  { way: 'out', from: '"$1:$2"', to: 'received' },
])('an rsync on its way $way that is killed leaves nothing running inside', async ({ way, from, to }) => {
  const mark = makeMark();
  if (way === 'out') await rsync('sbx rsh', 'tree/large', `${sandbox}:${mark}`);
  const slowly = `cd ${work.path} && exec rsync --bwlimit=100 -e 'sbx rsh' ${from} ${to}`;
  const child = startShell(home, slowly, [sandbox, mark]);
  await waitUntil(() => findGuests(mark).length > 0);
  child.kill('SIGKILL');
  expect(await child).toMatchObject({ signal: 'SIGKILL' });
  await waitForGuestsToEnd(mark);
});
