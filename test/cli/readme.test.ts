import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SBX, useHome } from '../support/home.ts';

interface Example {
  readonly language: string;
  readonly code: string;
  readonly output: string;
}

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const BLOCK = /^```(\w+)\n([^]*?)^```$/gm;

/** Every program that is followed by what it prints. */
function findExamples(): Example[] {
  const blocks = [...README.matchAll(BLOCK)].map(([, language = '', text = '']) => ({ language, text }));
  return blocks.flatMap(({ language, text: code }, index) => {
    const next = blocks[index + 1];
    return language !== 'text' && next?.language === 'text' ? [{ language, code, output: next.text }] : [];
  });
}

/** The lines under `run: |` of the step of a CI job. */
function findStep(): string {
  const [, step = ''] = /^```yaml\n[^]*?run: \|\n([^]*?)^```$/m.exec(README) ?? [];
  return step.replace(/^ {4}/gm, '');
}

const home = useHome();
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'readme-'));
  await mkdir(join(directory, 'bin'));
  await symlink(SBX, join(directory, 'bin/sbx'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

function run(program: string, args: string[], cwd: string) {
  const env = { ...home.env, PATH: `${join(directory, 'bin')}:${home.env['PATH']}` };
  return execa(program, args, {
    cwd,
    env,
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    stripFinalNewline: false,
  });
}

describe('the README', () => {
  it.each(findExamples())('prints what it says: $code', async ({ language, code, output }) => {
    const [program, ...args] = language === 'python' ? ['python3', '-c'] : ['bash', '-eo', 'pipefail', '-c'];
    const result = await run(program, [...args, code], directory);
    expect(result).toMatchObject({ stdout: output, stderr: '', exitCode: 0 });
  });

  it('has a pipeline, a sandbox that stays, a remote shell, execs that last, a conversation and an object in JSON', () => {
    const languages = findExamples().map(({ language }) => language);
    expect(languages.toSorted()).toEqual(['bash', 'bash', 'bash', 'bash', 'bash', 'python', 'python']);
  });

  it.each([
    { end: 'passes', last: 'true', status: 0, report: 'all is well\n' },
    { end: 'fails with 7', last: 'exit 7', status: 7, report: undefined },
  ])('has a CI step that ends as the tests do: one that $end', async ({ last, status, report }) => {
    const sources = await mkdtemp(join(directory, 'sources-'));
    await writeFile(join(sources, 'run-tests.sh'), `echo running\necho all is well >report.txt\n${last}\n`);
    const result = await run('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', findStep()], sources);
    expect(result).toMatchObject({ stdout: 'running\n', stderr: '', exitCode: status });
    expect(await readFile(join(sources, 'report.txt'), 'utf8').catch(() => undefined)).toBe(report);
    expect(await home.run(['ls', '-q'])).toMatchObject({ stdout: '' });
  });
});

describe('ARCHITECTURE.md', () => {
  it('names no file that is not there', () => {
    const text = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8');
    const paths = [...text.matchAll(/`((?:bin|src|scripts|test)\/[^`]*)`/g)].map(([, path = '']) => path);
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)))).toEqual([]);
  });
});
