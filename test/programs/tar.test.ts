import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell } from '../support/shell.ts';
import { describeTree, describeTreeInside, makeTree } from '../support/tree.ts';
import { openWorkplace, type Workplace } from '../support/workplace.ts';

const home = useHome();
const sandbox = useSandbox(home);
let work: Workplace;

beforeAll(async () => {
  work = await openWorkplace();
  await makeTree(home, `${work.path}/tree`, 'fractions');
});
afterAll(async () => {
  await work.close();
});

async function succeed(script: string, ...args: string[]): Promise<void> {
  const result = await runShell(home, `set -o pipefail; cd ${work.path}; ${script}`, args);
  expect(result).toEqual({ stdout: '', stderr: '', exitCode: 0 });
}

describe.each(MODES)('tar through sbx exec, $mode', ({ flags }) => {
  const exec = ['sbx exec', ...flags].join(' ');

  it.each([
    { how: 'as it is', pack: '', unpack: '' },
    { how: 'with gzip on one side', pack: '-z', unpack: '-z' },
  ])('carries a tree in and out without a difference, $how', async ({ pack, unpack }) => {
    const tree = await describeTree(home, `${work.path}/tree`);
    const [inside, back] = [work.makeName(), work.makeName()];
    // pax has names of any length and times with fractions.
    const tarIn = `tar ${pack} --format=pax -C tree -c . | ${exec} "$1" -- sh -c 'mkdir "$1" && tar ${unpack} -p -C "$1" -x' sh "$2"`;
    await succeed(tarIn, sandbox, inside);
    expect(await describeTreeInside(home, sandbox, `/workspace/${inside}`)).toBe(tree);
    const tarOut = `mkdir "$2" && ${exec} "$1" -- tar ${pack} --format=pax -C "$3" -c . | tar ${unpack} -p -C "$2" -x`;
    await succeed(tarOut, sandbox, back, inside);
    expect(await describeTree(home, `${work.path}/${back}`)).toBe(tree);
  });

  it('from one sandbox into another', async () => {
    const other = await home.createSandbox();
    const [inside] = [work.makeName()];
    await succeed(
      `tar --format=pax -c tree | ${exec} "$1" -- sh -c 'mkdir "$1" && tar -p -C "$1" -x' sh "$2"`,
      sandbox,
      inside,
    );
    await succeed(
      `${exec} "$1" -- tar --format=pax -C "$3" -c tree | ${exec} "$2" -- tar -p -x`,
      sandbox,
      other,
      inside,
    );
    expect(await describeTreeInside(home, other, '/workspace/tree')).toBe(
      await describeTree(home, `${work.path}/tree`),
    );
  });

  it('fails where the archive ends too early, and says so', async () => {
    const script = `cd ${work.path}; tar -c tree | head -c 1000000 | ${exec} "$1" -- tar -C /tmp -x`;
    const { stderr, exitCode } = await runShell(home, script, [sandbox]);
    expect(stderr).toContain('tar: Unexpected EOF in archive');
    expect(exitCode).toBe(2);
  });
});
