import { afterAll, beforeAll, expect, it } from 'vitest';
import { useHome, useSandbox } from '../support/home.ts';
import { runShell } from '../support/shell.ts';
import { openWorkplace, type Workplace } from '../support/workplace.ts';

const home = useHome({
  GIT_SSH_COMMAND: 'sbx rsh',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.org',
});
const sandbox = useSandbox(home);
let work: Workplace;

beforeAll(async () => {
  work = await openWorkplace();
  await runInside(MAKE_REPOSITORY);
});
afterAll(async () => {
  await work.close();
});

/** A history of text and of bytes that nothing makes fewer. */
const MAKE_REPOSITORY = `
set -e
export GIT_AUTHOR_NAME=B GIT_AUTHOR_EMAIL=b@example.org GIT_COMMITTER_NAME=B GIT_COMMITTER_EMAIL=b@example.org
git init -q -b main made
cd made
for n in $(seq 20); do
  mkdir -p folder$n
  seq $n 1000 >folder$n/numbers
  head -c 300000 /dev/urandom >random
  git add -A
  git commit -qm "commit $n"
done
git tag -am 'first' first
cd ..
git clone -q --bare made repository.git
`;

/** Runs git on this machine; gives what it printed. */
async function git(script: string, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await runShell(home, `set -e; cd ${work.path}\n${script}`, args);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout;
}

async function runInside(script: string): Promise<string> {
  const { stdout, stderr, exitCode } = await home.run(['exec', sandbox, 'sh', '-c', script]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return stdout as unknown as string;
}

const refsInside = (repository: string) => runInside(`git -C ${repository} for-each-ref`);

it('clones a repository that is in a sandbox, whole', async () => {
  await git('git clone -q --mirror "$1:repository.git" cloned.git', sandbox);
  expect(await git('git -C cloned.git fsck --strict && git -C cloned.git for-each-ref')).toBe(
    await refsInside('repository.git'),
  );
});

it('clones by ssh:// with a user and a port, and an absolute path', async () => {
  await git('git clone -q "ssh://root@$1:22/workspace/repository.git" by-url', sandbox);
  const tree = 'git rev-parse main^{tree}';
  expect(await git(`cd by-url && ${tree} && git status --short`)).toBe(
    await runInside(`cd repository.git && ${tree}`),
  );
});

it('clones a part of the history, and fetches the rest', async () => {
  await git('git clone -q --depth 3 --no-single-branch "root@$1:repository.git" shallow', sandbox);
  expect(await git('git -C shallow rev-list --count HEAD')).toBe('3\n');
  await git('git -C shallow fetch -q --unshallow');
  expect(await git('git -C shallow rev-list --count HEAD')).toBe('20\n');
});

it('fetches what came since', async () => {
  await git('git clone -q "$1:made" fetched', sandbox);
  await runInside(
    'cd made && echo more >more && git add -A && git -c user.name=B -c user.email=b commit -qm more',
  );
  await git('git -C fetched fetch -q');
  expect(await git('git -C fetched rev-parse origin/main')).toBe(
    await runInside('git -C made rev-parse main'),
  );
});

it('pushes commits, a branch and a tag of some MiB, and removes a branch', async () => {
  const bare = work.makeName();
  await runInside(`git clone -q --bare made ${bare}.git`);
  await git(`git clone -q "$1:${bare}.git" pushed`, sandbox);
  await git(`
    cd pushed
    head -c 5000000 /dev/urandom >random; seq 100000 >numbers; git add -A; git commit -qm large
    git switch -qc branch; git commit -q --allow-empty -m empty; git tag of-mine
    git push -q origin main branch of-mine
  `);
  const local = await git('git -C pushed rev-parse main branch of-mine');
  expect(await runInside(`git -C ${bare}.git rev-parse main branch of-mine && git -C ${bare}.git fsck`)).toBe(
    local,
  );
  await git('git -C pushed push -q origin :branch');
  expect(await refsInside(`${bare}.git`)).not.toContain('refs/heads/branch');
});

it('shows what a hook in the sandbox prints, and its refusal', async () => {
  const bare = work.makeName();
  await runInside(
    `git clone -q --bare made ${bare}.git && printf '#!/bin/sh\\necho no pushes here; exit 1\\n' >${bare}.git/hooks/pre-receive && chmod +x ${bare}.git/hooks/pre-receive`,
  );
  const script = `cd ${work.path} && git clone -q "$1:${bare}.git" hooked && cd hooked && git commit -q --allow-empty -m x && git push -q`;
  const { stderr, exitCode } = await runShell(home, script, [sandbox]);
  expect(stderr).toContain('remote: no pushes here');
  expect(stderr).toContain('pre-receive hook declined');
  expect(exitCode).toBe(1);
});

it('speaks version 2 of its protocol: git takes sbx rsh for ssh, and its variable arrives', async () => {
  const script = 'GIT_TRACE_PACKET=1 git ls-remote "$1:repository.git"';
  const { stdout, stderr } = await runShell(home, script, [sandbox]);
  expect(stdout).toContain('\trefs/tags/first\n');
  expect(stderr).toContain('ls-remote< version 2\n');
});

it('says which repository is not there, and fails', async () => {
  const { stderr, exitCode } = await runShell(home, 'git ls-remote "$1:no-such.git"', [sandbox]);
  expect(stderr).toContain("'no-such.git' does not appear to be a git repository");
  expect(exitCode).toBe(128);
});

it('archives a tree that is in a sandbox', async () => {
  await runInside('git -C made config uploadarchive.allowUnreachable true');
  const script = `cd ${work.path} && git archive --remote="$1:made" first folder7 | tar -xO folder7/numbers | head -n 1`;
  expect(await runShell(home, script, [sandbox])).toEqual({ stdout: '7\n', stderr: '', exitCode: 0 });
});
