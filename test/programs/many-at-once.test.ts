import { chown, mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALLER } from '../support/caller.ts';
import { openHome, type Home } from '../support/home.ts';
import { runShell } from '../support/shell.ts';
import { openWorkplace, type Workplace } from '../support/workplace.ts';

const COUNT = 40;
const NUMBERS = Array.from({ length: COUNT }, (_, i) => i + 1);
/** A line on each stream and a status of its own for each number. */
const TASK = 'echo "out $1"; echo "err $1" >&2; exit $(($1 % 3))';

let home: Home;
let work: Workplace;
let sandbox: string;

beforeAll(async () => {
  work = await openWorkplace();
  home = await openHome({ PARALLEL_HOME: `${work.path}/parallel` });
  sandbox = await home.createSandbox();
});
afterAll(async () => {
  await home.close();
  await work.close();
});

const toSorted = (text: string): string[] => text.trimEnd().split('\n').toSorted();
const linesOf = (word: string): string[] => NUMBERS.map((number) => `${word} ${number}`).toSorted();

describe('xargs -P 8', () => {
  it('runs commands in one sandbox, each with its own output and status', async () => {
    const script = `seq ${COUNT} | xargs -P 8 -I{} sh -c 'sbx exec "$1" -- sh -c "$2" sh "$3"; echo "status $3 $?"' sh "$1" "$2" {}`;
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox, TASK]);
    expect(exitCode).toBe(0);
    expect(toSorted(stderr)).toEqual(linesOf('err'));
    const statuses = NUMBERS.map((number) => `status ${number} ${number % 3}`);
    expect(toSorted(stdout)).toEqual([...linesOf('out'), ...statuses].toSorted());
  });

  it('starts one daemon on a cold machine, and a fresh sandbox for each command', async () => {
    const cold = await openHome();
    const script = 'seq 12 | xargs -P 8 -I{} sbx exec -- sh -c \'echo "{} $(hostname)"; ls /tmp\'';
    const { stdout, stderr, exitCode } = await runShell(cold, script);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => Number(line.split(' ')[0])).toSorted((a, b) => a - b)).toEqual(
      NUMBERS.slice(0, 12),
    );
    expect(new Set(lines.map((line) => line.split(' ')[1])).size).toBe(12);
    expect((await cold.run(['ls', '-q'])).stdout).toBe('');
    await cold.close();
  });

  it('has the status of xargs for a command that fails: 123', async () => {
    const script = 'seq 8 | xargs -P 8 -I{} sbx exec "$1" -- test {} -ne 5';
    expect(await runShell(home, script, [sandbox])).toEqual({ stdout: '', stderr: '', exitCode: 123 });
  });
});

describe('make -j 8', () => {
  const MAKEFILE = `
objects := $(shell seq ${COUNT})
total: $(objects:%=%.part)
\tcat $(shell seq -f %g.part ${COUNT}) | sbx exec $(BOX) -- awk '{ n += $$1 } END { print n }' >$@
%.part:
\tsbx exec $(BOX) -- expr $* '*' $* >$@
`;

  it('builds with a command in a sandbox for each target', async () => {
    const directory = `${work.path}/${work.makeName()}`;
    await mkdir(directory);
    await chown(directory, CALLER.uid, CALLER.gid);
    await writeFile(`${directory}/Makefile`, MAKEFILE);
    const { stderr, exitCode } = await runShell(home, 'make -j 8 -C "$2" BOX="$1" && cat "$2/total"', [
      sandbox,
      directory,
    ]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    const total = NUMBERS.reduce((sum, number) => sum + number * number, 0);
    expect((await runShell(home, 'cat "$1/total"', [directory])).stdout).toBe(`${total}\n`);
  });

  it('stops at a command that fails, and names its status', async () => {
    const directory = `${work.path}/${work.makeName()}`;
    await mkdir(directory);
    await chown(directory, CALLER.uid, CALLER.gid);
    await writeFile(
      `${directory}/Makefile`,
      "all: a b c\na b c:\n\t@sbx exec $(BOX) -- sh -c '[ $@ != b ] || exit 42'\n",
    );
    const { stderr, exitCode } = await runShell(home, 'make -j 8 -C "$2" BOX="$1"', [sandbox, directory]);
    expect(stderr).toContain('b] Error 42');
    expect(exitCode).toBe(2);
  });

  it('works inside as well', async () => {
    const makefile = `all: ${NUMBERS.join(' ')}\n${NUMBERS.join(' ')}:\n\t@sleep 0.01; echo $@\n`;
    const result = await home.run(['exec', sandbox, 'make', '-j', '8', '-f', '-'], {
      stdin: 'pipe',
      input: makefile,
    });
    expect(result).toMatchObject({ stderr: '', exitCode: 0 });
    expect(toSorted(result.stdout as unknown as string)).toEqual(NUMBERS.map(String).toSorted());
  });
});

describe('GNU parallel', () => {
  const parallel = 'parallel --will-cite -j 8';

  it('runs commands in one sandbox, keeps their order, and counts those that fail', async () => {
    const script = `seq ${COUNT} | TASK=$2 ${parallel} --keep-order sbx exec "$1" -- sh -c '"$TASK"' sh {}`;
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox, TASK]);
    expect(exitCode).toBe(NUMBERS.filter((number) => number % 3 !== 0).length);
    expect(stdout).toBe(NUMBERS.map((number) => `out ${number}\n`).join(''));
    expect(toSorted(stderr)).toEqual(linesOf('err'));
  });

  it('gives each command its own part of stdin with --pipe', async () => {
    const script = `seq 200000 | ${parallel} --pipe --block 100k sbx exec --stream "$1" -- cat | sort -n | md5sum; seq 200000 | md5sum`;
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    const [through, direct] = stdout.trimEnd().split('\n');
    expect(through).toBe(direct);
  });

  it('takes a sandbox for a machine that it reaches with sbx rsh', async () => {
    const script = `seq ${COUNT} | ${parallel} --keep-order --ssh 'sbx rsh' -S "8/$1" 'echo {} on $(hostname)'`;
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox]);
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(stdout).toBe(NUMBERS.map((number) => `${number} on ${sandbox}\n`).join(''));
  });
});
