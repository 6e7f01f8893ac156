import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program-help.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = readdirSync(`${ROOT}/man`);
const SECTIONS = ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO'];

const render = (page: string, ...options: string[]) =>
  execa('groff', ['-man', '-ww', ...options, `man/${page}`], { cwd: ROOT });

describe('the man pages', () => {
  it('are one for sbx and one for each command', async () => {
    const { commands: tree } = await createProgram();
    const commands = tree.map((command) => `sbx-${command.name()}.1`);
    expect(PAGES.toSorted()).toEqual(['sbx.1', ...commands].toSorted());
  });

  it('are what the code makes, as are the lists in the README', async () => {
    const result = await execa('node', ['scripts/generate.mjs', '--check'], { cwd: ROOT, reject: false });
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it.each(PAGES)('%s gives groff nothing to complain about', async (page) => {
    expect(await render(page, '-z')).toMatchObject({ stdout: '', stderr: '' });
  });

  it.each(PAGES)('%s has the sections of a man page', (page) => {
    const text = readFileSync(`${ROOT}/man/${page}`, 'utf8');
    const titles = [...text.matchAll(/^\.SH "?(.*?)"?$/gm)].map(([, title]) => title);
    expect(titles).toEqual(expect.arrayContaining(SECTIONS));
  });

  it('show options, quotes and backslashes as they are typed', async () => {
    const { stdout } = await render('sbx-exec.1', '-Tascii', '-P-cbou');
    expect(stdout).toContain('-e, --env K=V');
    expect(stdout).toContain("the command's own exit code");
  });
});
