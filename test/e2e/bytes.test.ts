import { createReadStream } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ByteReader, toSha256 } from '../support/byte-reader.ts';
import { makeDirectory } from '../support/caller.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell } from '../support/shell.ts';

const SIZE = 64 * 1024 * 1024;

const home = useHome();
const sandbox = useSandbox(home);
let directory: string;
let data: string;
let sha256: string;

beforeAll(async () => {
  directory = await makeDirectory('bytes-');
  data = join(directory, 'data');
  const bytes = randomBytes(SIZE);
  sha256 = toSha256(bytes);
  await writeFile(data, bytes);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

describe.each(MODES)('64 MiB of random bytes, $mode', ({ flags }) => {
  it('come back unchanged through pipes', async () => {
    const script = 'data=$1; shift; cat "$data" | sbx exec "$@" cat | sha256sum; echo "${PIPESTATUS[@]}" >&2';
    const result = await runShell(home, script, [data, ...flags, sandbox]);
    expect(result).toMatchObject({ stdout: `${sha256}  -\n`, stderr: '0 0 0\n' });
  });

  it('come back unchanged from a file to a file', async () => {
    const out = join(directory, 'out');
    const script = 'from=$1 to=$2; shift 2; sbx exec "$@" cat <"$from" >"$to"';
    const { exitCode } = await runShell(home, script, [data, out, ...flags, sandbox]);
    expect({ exitCode, sha256: toSha256(await readFile(out)) }).toEqual({ exitCode: 0, sha256 });
  });

  it('come back unchanged through sockets', async () => {
    const child = home.start(['exec', ...flags, sandbox, 'cat']);
    const reader = new ByteReader(child.stdout);
    const [, bytes] = await Promise.all([pipeline(createReadStream(data), child.stdin), reader.rest()]);
    const { exitCode } = await child;
    expect({ exitCode, sha256: toSha256(bytes) }).toEqual({ exitCode: 0, sha256 });
  });

  it('arrive whole where nothing is sent back', async () => {
    const script = 'data=$1; shift; sbx exec "$@" sha256sum <"$data"';
    const { stdout } = await runShell(home, script, [data, ...flags, sandbox]);
    expect(stdout).toBe(`${sha256}  -\n`);
  });
});

describe.each(MODES)('few bytes, $mode', ({ flags }) => {
  it('keeps one-byte writes of the child in order on both streams', async () => {
    const code = 'import os\nfor i in range(20000): os.write(1 + i % 2, b"0123456789"[i // 2 % 10:][:1])';
    const args = ['exec', ...flags, sandbox, 'python3', '-c', code];
    const digits = '0123456789'.repeat(1000);
    expect(await home.run(args)).toMatchObject({ stdout: digits, stderr: digits, exitCode: 0 });
  });

  it('keeps one-byte writes of the caller in order', async () => {
    const child = home.start(['exec', ...flags, sandbox, 'cat']);
    const reader = new ByteReader(child.stdout);
    const sent = randomBytes(2000);
    for (const byte of sent) {
      await new Promise((resolve) => child.stdin.write(Buffer.of(byte), resolve));
    }
    child.stdin.end();
    expect((await reader.rest()).equals(sent)).toBe(true);
  });

  it('passes bytes that are no text', async () => {
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const odd = [
      everyByte,
      Buffer.alloc(70_000),
      Buffer.from('\r\n\r\n\n\r data: x\n\n'),
      Buffer.from([0xed, 0xa0, 0x80, 0xc0, 0xaf, 0xf4, 0x90, 0x80, 0x80]),
      Buffer.from('\ufffd\ufeff\u2028😀'),
      Buffer.from([0xf0, 0x9f]),
    ];
    const sent = Buffer.concat(odd);
    const { stdout, stderr } = await home.runBytes(['exec', ...flags, sandbox, 'tee', '/dev/stderr'], {
      stdin: 'pipe',
      input: sent,
    });
    expect(Buffer.compare(stdout as Uint8Array, sent)).toBe(0);
    expect(Buffer.compare(stderr as Uint8Array, sent)).toBe(0);
  });
});

it('passes each part of a character as it comes, in both directions', async () => {
  const child = home.start(['exec', '--stream', sandbox, 'cat']);
  const reader = new ByteReader(child.stdout);
  const parts: Buffer[] = [];
  for (const part of [[0xe2], [0x82], [0xac, 0xf0, 0x9f], [0x98], [0x80]]) {
    child.stdin.write(Buffer.from(part));
    parts.push(await reader.next());
  }
  child.stdin.end();
  expect(parts.map((part) => part.toString('hex'))).toEqual(['e2', '82', 'acf09f', '98', '80']);
  expect(await child).toMatchObject({ exitCode: 0 });
});

describe.each([
  { unread: 'stdout', read: 'stderr', from: 1, to: 2 },
  { unread: 'stderr', read: 'stdout', from: 2, to: 1 },
] as const)('a $unread that nobody reads', ({ unread, read, from, to }) => {
  it(`does not hold up ${read}`, async () => {
    const code = `
import os, threading
flood = threading.Thread(target=lambda: [os.write(${from}, b'x' * 65536) for _ in range(512)])
flood.start()
for i in range(1000): os.write(${to}, b'line %d\\n' % i)
flood.join()
os.write(${to}, b'end\\n')
`;
    const child = home.start(['exec', '--stream', sandbox, 'python3', '-c', code]);
    const [blocked, flowing] = [new ByteReader(child[unread]), new ByteReader(child[read])];
    const lines: string[] = [];
    while (lines.length < 1000) lines.push(await flowing.line());
    expect(lines).toEqual(Array.from({ length: 1000 }, (_, i) => `line ${i}`));
    const [flood, end] = await Promise.all([blocked.rest(), flowing.rest()]);
    expect(flood).toHaveLength(512 * 65536);
    expect(end.toString()).toBe('end\n');
    expect(await child).toMatchObject({ exitCode: 0 });
  });
});
