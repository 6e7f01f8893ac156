import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../support/byte-reader.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell, startShell } from '../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

describe.each(MODES)("the child's own view, $mode", ({ flags }) => {
  const run = (script: string, input = '') =>
    home.run(['exec', ...flags, sandbox, 'sh', '-c', script], { stdin: 'pipe', input });

  it('has descriptors that can be opened again by name', async () => {
    const script = 'echo err >/dev/stderr; echo out >/dev/stdout; cat /dev/stdin; tee /dev/stdout </dev/null';
    const result = await run(script, 'in\n');
    expect(result).toMatchObject({ stdout: 'out\nin\n', stderr: 'err\n', exitCode: 0 });
  });

  it('lets tee write to /dev/stdout and /dev/fd/2', async () => {
    const result = await run('tee /dev/stdout /dev/fd/2', 'x\n');
    expect(result).toMatchObject({ stdout: 'x\nx\n', stderr: 'x\n', exitCode: 0 });
  });

  it('finds no terminal and three pipes', async () => {
    const script = `for fd in 0 1 2; do test -t $fd && echo "$fd is a terminal"; done
      for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done | sed 's/[0-9]//g'; tty`;
    const result = await run(script, 'x');
    // The middle one is that of the shell's own pipeline, which is what it is to be like.
    expect(result).toMatchObject({
      stdout: 'pipe:[]\npipe:[]\npipe:[]\nnot a tty\n',
      stderr: '',
      exitCode: 1,
    });
  });

  it('has three pipes that nobody has made non-blocking, and no other descriptor', async () => {
    const code = `
import fcntl, os, stat
for fd in (0, 1, 2):
    print(stat.S_ISFIFO(os.fstat(fd).st_mode), bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK))
opened = os.open('/proc/self/fd', os.O_RDONLY)
print(sorted(int(name) for name in os.listdir(opened) if int(name) < opened))
`;
    const { stdout } = await home.run(['exec', ...flags, sandbox, 'python3', '-c', code], {
      stdin: 'pipe',
      input: '',
    });
    expect(stdout).toBe('True False\nTrue False\nTrue False\n[0, 1, 2]\n');
  });

  it('has no byte translated and nothing echoed', async () => {
    const { stdout, stderr } = await run(
      'cat >/dev/null; printf "a\\r\\nb\\n\\004\\003"',
      'typed\r\n\u0003\u0004',
    );
    expect({ stdout, stderr }).toEqual({ stdout: 'a\r\nb\n\u0004\u0003', stderr: '' });
  });

  it('starts in /workspace with default signals and no signal blocked', async () => {
    const { stdout } = await run("pwd; grep -E '^Sig(Blk|Ign)' /proc/self/status");
    expect(stdout).toBe('/workspace\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n');
  });
});

/** The open flags of a descriptor of another process (proc(5)). */
function isNonBlocking(pid: number, fd: number): boolean {
  const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1] ?? '';
  return (Number.parseInt(flags, 8) & 0o4000) !== 0;
}

describe('those who share our descriptors', () => {
  it.each([
    { what: 'pipes', script: 'cat | bash -c "$sharing" bash "$@" 2> >(cat >&2) | cat' },
    { what: 'sockets', script: 'exec bash -c "$sharing" bash "$@"' },
  ])('keep their blocking $what while sbx uses them', async ({ script }) => {
    const sharing = `export sharing='echo $$; sbx exec --stream "$@"; echo "status $?"'; ${script}`;
    const guest = 'echo begun; echo err >&2; read -r line; echo "got $line"';
    const child = startShell(home, sharing, [sandbox, 'sh', '-c', guest]);
    const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
    const pid = Number(await stdout.line());
    expect([await stdout.line(), await stderr.line()]).toEqual(['begun', 'err']);
    expect([0, 1, 2].map((fd) => isNonBlocking(pid, fd))).toEqual([false, false, false]);
    child.stdin.write('line\n');
    expect([await stdout.line(), await stdout.line()]).toEqual(['got line', 'status 0']);
    child.stdin.end();
    await Promise.all([stdout.rest(), stderr.rest(), child]);
  });

  it.each(MODES)('write to the same slow pipe without an error, $mode', async ({ flags }) => {
    const script = `{
        sbx exec "$@" head -c 4000000 /dev/zero & pid=$!
        head -c 4000000 /dev/zero; echo "sibling $?" >&2
        wait $pid; echo "sbx $?" >&2
      } | { sleep 1; wc -c; }`;
    const result = await runShell(home, script, [...flags, sandbox]);
    expect(result).toEqual({ stdout: '8000000\n', stderr: 'sibling 0\nsbx 0\n', exitCode: 0 });
  });

  it('write to the same slow socket without an error', async () => {
    const script = `sbx exec --stream "$@" head -c 4000000 /dev/zero & pid=$!
      head -c 4000000 /dev/zero; echo "sibling $?" >&2
      wait $pid; echo "sbx $?" >&2`;
    const child = startShell(home, script, [sandbox]);
    const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
    await stdout.next();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const [out, err] = await Promise.all([stdout.rest(), stderr.rest()]);
    expect(err.toString()).toBe('sibling 0\nsbx 0\n');
    expect(out.length).toBeGreaterThan(7_000_000);
    await child;
  });

  it('read on from the same pipe after sbx has ended', async () => {
    // Or sbx might have taken both lines from the pipe for a command that reads one.
    const script = `dir=$(mktemp -d); ended=$dir/ended
      (echo one; until [ -e "$ended" ]; do sleep .05; done; echo two) |
        { sbx exec "$@" head -n 1; : >"$ended"; cat; }
      rm -r "$dir"`;
    expect(await runShell(home, script, ['--stream', sandbox])).toMatchObject({
      stdout: 'one\ntwo\n',
      stderr: '',
    });
  });
});
