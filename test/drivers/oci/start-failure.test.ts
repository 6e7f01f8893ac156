import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestBed, RUNTIMES, type TestBed } from './sandboxed.ts';

const SETUP = `
echo text > /tmp/text
mkdir /tmp/dir
printf '#!/no/interpreter\\n' > /tmp/no-interpreter
printf 'echo hi\\n' > /tmp/no-shebang
printf '\\177ELF\\002\\001\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\002\\000\\363\\000' > /tmp/foreign
head -c 200 /dev/zero >> /tmp/foreign
chmod 755 /tmp/no-interpreter /tmp/no-shebang /tmp/foreign
`;

describe.each(RUNTIMES)('a command that cannot start under %s', (runtime) => {
  let bed: TestBed;
  let web: string;
  beforeAll(async () => {
    bed = await openTestBed(runtime);
    web = await bed.createSandbox();
    await bed.run(web, ['sh', '-c', SETUP]);
  });
  afterAll(() => bed.close());

  it.each([
    ['in no directory of PATH', 'nosuch', 'command_not_found'],
    ['not at its path', '/no/such', 'command_not_found'],
    ['not in the working directory', './such', 'command_not_found'],
    ['below a file', '/tmp/text/such', 'command_not_found'],
    ['without a name', '', 'command_not_found'],
    ['named as the words of an error', 'chdir `', 'command_not_found'],
    ['not executable', '/tmp/text', 'cannot_execute'],
    ['a directory', '/tmp/dir', 'cannot_execute'],
    ['a script whose interpreter is missing', '/tmp/no-interpreter', 'cannot_execute'],
    ['a script without a shebang', '/tmp/no-shebang', 'cannot_execute'],
    ['a program of another machine', '/tmp/foreign', 'cannot_execute'],
  ])('because it is %s says so', async (_, command, code) => {
    await expect(bed.run(web, [command, 'argument'])).rejects.toMatchObject({ code });
  });

  it.each([
    ['is not there', '/no/such'],
    ['is a file', '/tmp/text'],
  ])('because its directory %s says so', async (_, cwd) => {
    await expect(bed.run(web, ['true'], { cwd })).rejects.toMatchObject({ code: 'bad_directory' });
  });

  it.each(['nosuch', 'root:nosuch', ':', 'root:', 'a:b:c', '4294967295', '1:99999999999'])(
    'because there can be no user %s says so',
    async (user) => {
      await expect(bed.run(web, ['true'], { user })).rejects.toMatchObject({ code: 'bad_user' });
    },
  );

  it('because one argument is too long names it', async () => {
    const longest = 'x'.repeat(131071);
    expect((await bed.run(web, ['printf', '%s', longest])).stdout).toBe(longest);
    await expect(bed.run(web, ['printf', '%s', `${longest}x`])).rejects.toMatchObject({
      code: 'argument_too_long',
      message: expect.stringContaining('argument 2 of "printf" is 131072 bytes long') as string,
    });
  });

  it('because a variable is too long names it', async () => {
    const env = new Map([['LONG', 'x'.repeat(131072)]]);
    await expect(bed.run(web, ['true'], { env })).rejects.toMatchObject({
      code: 'argument_too_long',
      message: expect.stringContaining('the variable LONG') as string,
    });
  });

  it('because all its arguments together are too long says so', async () => {
    const words = Array.from({ length: 100 }, () => 'x'.repeat(100_000));
    await expect(bed.run(web, ['true', ...words])).rejects.toMatchObject({ code: 'argument_too_long' });
  });

  it('because its sandbox has been removed says so', async () => {
    const gone = await bed.createSandbox();
    await bed.driver.removeSandbox(gone);
    await expect(bed.run(gone, ['true'])).rejects.toMatchObject({ code: 'sandbox_stopped' });
  });

  it('because the init of its sandbox has ended says so', async () => {
    const stopped = await bed.createSandbox();
    await bed.start(stopped, ['sh', '-c', 'kill -KILL -1']).then((exec) => exec.ended);
    while (await bed.driver.isSandboxRunning(stopped));
    await expect(bed.run(stopped, ['true'])).rejects.toMatchObject({ code: 'sandbox_stopped' });
  });
});
