import type { Home } from './home.ts';
import { runShell } from './shell.ts';

/** Files of every kind that an unprivileged user can make, in a directory that is not there yet. */
const MAKE_TREE = `
import os, random, sys
random.seed(1)
root = os.fsencode(sys.argv[1])
os.makedirs(root)
os.chdir(root)
os.umask(0)

def write(name, content=b'', mode=0o644):
    os.makedirs(os.path.dirname(name) or b'.', mode=0o755, exist_ok=True)
    with open(name, 'wb') as file:
        file.write(content)
    os.chmod(name, mode)

write(b'empty')
write(b'large', random.randbytes(3 * 1024 * 1024 + 17))
write(b'zeros', bytes(1024 * 1024))
write(b'lines', b''.join(b'line %d\\r\\n' % i for i in range(5000)))
for i in range(300):
    write(b'many/%d/%d' % (i // 50, i), b'%d\\n' % i * i)
for mode in (0o400, 0o600, 0o755, 0o777, 0o2755, 0o4711, 0o1777):
    write(b'modes/%o' % mode, b'x', mode)
for name in (b' a b ', b'-rf', b"it's", b'"', b'\\\\n', b'a\\nb', b'$HOME', b'*', b'\\xc3\\xa4\\xe2\\x82\\xac', b'\\xff\\xfe', b'x' * 255):
    write(b'names/' + name, name)
os.makedirs(b'deep/' + b'/'.join([b'd' * 50] * 10))
os.mkdir(b'empty directory', 0o700)
os.mkdir(b'group', 0o2775)
os.symlink(b'lines', b'link')
os.symlink(b'no/such/file', b'dangling')
os.symlink(b'../many', b'deep/up')
os.symlink(b'/etc', b'absolute')
os.link(b'lines', b'second name')
# Times of the past, each its own; with fractions, which not every archive keeps, only where they are asked for.
fraction = 123456789 if sys.argv[2:] == ['fractions'] else 0
for number, (folder, folders, files) in enumerate(os.walk(b'.', topdown=False)):
    for index, name in enumerate(files + folders + [b'.']):
        at = (1000000000 + 1000 * number + index) * 10**9 + fraction
        os.utime(os.path.join(folder, name), ns=(at, at), follow_symlinks=False)
`;

/** One line for each file: name, kind and mode, time, number of names, content. */
const DESCRIBE_TREE = `
import hashlib, os, stat, sys
os.chdir(sys.argv[1])
names = [b'.'] + [os.path.join(folder, name) for folder, folders, files in os.walk(b'.') for name in folders + files]
for name in sorted(names):
    status = os.lstat(name)
    content, links = '', status.st_nlink
    if stat.S_ISLNK(status.st_mode): content = repr(os.readlink(name))
    elif stat.S_ISDIR(status.st_mode): links = 0
    else: content = hashlib.sha256(open(name, 'rb').read()).hexdigest()
    print(name, stat.filemode(status.st_mode), status.st_mtime_ns, links, content)
`;

/** Makes the tree on this machine, as the user of `home`. */
export async function makeTree(home: Home, directory: string, ...options: 'fractions'[]): Promise<void> {
  const made = await runShell(home, 'python3 -c "$@"', [MAKE_TREE, directory, ...options]);
  if (made.exitCode !== 0) throw new Error(made.stderr);
}

/** What is in a directory of this machine, as text that differs where anything does. */
export async function describeTree(home: Home, directory: string): Promise<string> {
  return requireLines(await runShell(home, 'python3 -c "$@"', [DESCRIBE_TREE, directory]));
}

/** The same of a directory in a sandbox. */
export async function describeTreeInside(home: Home, sandbox: string, directory: string): Promise<string> {
  const script = 'box=$1; shift; sbx exec "$box" -- python3 -c "$@"';
  return requireLines(await runShell(home, script, [sandbox, DESCRIBE_TREE, directory]));
}

function requireLines({ stdout, stderr, exitCode }: Awaited<ReturnType<typeof runShell>>): string {
  if (exitCode !== 0 || stdout === '') throw new Error(`no description of a tree: ${stderr}`);
  return stdout;
}
