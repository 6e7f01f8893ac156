import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useHome } from '../support/home.ts';
import { bringNode, type NodeInside } from '../support/node-inside.ts';
import { runShell } from '../support/shell.ts';
import { openWorkplace, type Workplace } from '../support/workplace.ts';

/** A wheel by hand: an archive with names that pip knows. */
const MAKE_WHEEL = `
import base64, hashlib, sys, zipfile
info = 'greeting-1.2.3.dist-info'
files = {
    'greeting/__init__.py': 'def main():\\n    import sys\\n    print("hello from", sys.prefix)\\n',
    f'{info}/METADATA': 'Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.2.3\\n',
    f'{info}/WHEEL': 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
    f'{info}/entry_points.txt': '[console_scripts]\\ngreeting = greeting:main\\n',
}
def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
record = ''.join(f'{name},sha256={digest(text)},{len(text)}\\n' for name, text in files.items())
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    for name, text in {**files, f'{info}/RECORD': record + f'{info}/RECORD,,\\n'}.items():
        wheel.writestr(name, text)
`;
const WHEEL = 'greeting-1.2.3-py3-none-any.whl';

const PACKAGE = `
mkdir greeting && cd greeting
cat >package.json <<'E'
{ "name": "greeting", "version": "1.2.3", "bin": "bin.js", "scripts": { "prepack": "echo yes >packed" } }
E
cat >bin.js <<'E'
#!/usr/bin/env node
console.log('hello from', require('./package.json').version);
E
`;

const C_PROGRAM = `
cat >main.c <<'E'
#include <math.h>
#include <stdio.h>
int twice(int);
int main(void) { printf("%d %.3f\\n", twice(21), sqrt(2)); return twice(2); }
E
echo 'int twice(int n) { return 2 * n; }' >twice.c
printf 'LDLIBS = -lm\\nprogram: main.o twice.o\\n\\t$(CC) -o $@ $^ $(LDLIBS)\\n' >Makefile
`;

const home = useHome();
let work: Workplace;

beforeAll(async () => {
  work = await openWorkplace();
  await runShell(home, 'python3 -c "$@"', [MAKE_WHEEL, `${work.path}/${WHEEL}`]);
});
afterAll(async () => {
  await work.close();
});

describe.each([{ network: 'none' }, { network: 'host' }])(
  'in a sandbox with --network $network',
  ({ network }) => {
    let sandbox: string;
    let node: NodeInside;

    beforeAll(async () => {
      sandbox = await home.createSandbox('--network', network);
      node = await bringNode(home, sandbox);
      const script = 'sbx exec "$1" -- sh -c "cat >$3" <"$2/$3"';
      expect(await runShell(home, script, [sandbox, work.path, WHEEL])).toMatchObject({
        stderr: '',
        exitCode: 0,
      });
    });

    /** Runs a script inside in a directory of its own; its output, and nothing on stderr. */
    async function run(script: string, args: readonly string[] = []): Promise<string> {
      const place = work.makeName();
      const inside = `set -e; mkdir ${place}; cd ${place}\n${script}`;
      const result = await home.run(['exec', sandbox, 'sh', '-c', inside, 'sh', ...args]);
      expect(result).toMatchObject({ stderr: '', exitCode: 0 });
      return result.stdout as unknown as string;
    }

    it('pip installs a wheel into a virtual environment', async () => {
      const output = await run(`
      python3 -m venv environment
      environment/bin/pip install --disable-pip-version-check ../${WHEEL}
      environment/bin/greeting; environment/bin/pip freeze --disable-pip-version-check`);
      expect(output).toContain('Successfully installed greeting-1.2.3\n');
      expect(output).toMatch(/\nhello from \/workspace\/.*\/environment\ngreeting @ .*\n$/);
    });

    it("pip installs a wheel for the whole sandbox, and nothing of it comes to this machine's /usr", async () => {
      const output = await run(`
      export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
      pip3 install ../${WHEEL}
      greeting
      python3 -c 'import greeting; print(greeting.__file__)'`);
      expect(output).toContain('Successfully installed greeting-1.2.3\n');
      const file = output.trimEnd().split('\n').at(-1)!;
      expect(file).toMatch(/^\/usr\/.*\/greeting\/__init__\.py$/);
      expect(await runShell(home, '[ -e "$1" ]; echo $?', [file])).toMatchObject({ stdout: '1\n' });
    });

    it('npm packs a package, with its script, and installs it, and its program runs', async () => {
      const npm = node.npm.map((word) => `'${word}'`).join(' ');
      const output = await run(`
      export PATH=$(dirname '${node.node[0]}'):$PATH
      (${PACKAGE}
      ${npm} pack --silent)
      mkdir project && cd project
      ${npm} init -y >/dev/null
      ${npm} install --no-audit --no-fund --no-update-notifier ../greeting/greeting-1.2.3.tgz
      cat node_modules/greeting/packed
      node_modules/.bin/greeting`);
      expect(output).toContain('\nadded 1 package in ');
      expect(output).toMatch(/\nyes\nhello from 1\.2\.3\n$/);
    });

    it('make compiles a C program, which runs', async () => {
      expect(await run(`${C_PROGRAM}\nmake -s -j 2\n./program || echo "status $?"`)).toBe(
        '42 1.414\nstatus 4\n',
      );
    });

    it('make compiles again only what has changed', async () => {
      const output = await run(
        `${C_PROGRAM}\nmake\necho ---\ntouch -d '1 hour ago' *\ntouch twice.c\nmake\n`,
      );
      const [first = '', second = ''] = output.split('---\n');
      expect(first).toContain('main.c');
      expect(second).toContain('twice.c');
      expect(second).toContain('main.o');
      expect(second).not.toContain('main.c');
    });
  },
);
