import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CUT_MS, STDIN_BODY } from '../../src/protocol/api.ts';
import { ByteReader, toSha256 } from '../support/byte-reader.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell } from '../support/shell.ts';

/** A watch that looks five times in the cut time may see the silence a fifth of it late. */
const LONG_MS = CUT_MS * 1.4;
/** More than every buffer on the way holds together: the child is held back. */
const WRITER = ['python3', '-c', 'import os\nfor i in range(1024): os.write(1, bytes([i % 251]) * 65536)'];
const WRITTEN = Buffer.concat(Array.from({ length: 1024 }, (_, i) => Buffer.alloc(65536, i % 251)));

const home = useHome();
const sandbox = useSandbox(home);

// They sleep most of their time: side by side.
describe.concurrent('a reader that is late', () => {
  it.each(MODES)('gets 200 KiB of a child that had exited at once, $mode', async ({ flags }) => {
    const script =
      'sbx exec "$@" head -c 204800 /dev/zero | { sleep 5; sha256sum; }; echo "${PIPESTATUS[@]}" >&2';
    const result = await runShell(home, script, [...flags, sandbox]);
    expect(result).toMatchObject({ stdout: `${toSha256(Buffer.alloc(204800))}  -\n`, stderr: '0 0\n' });
  });

  it.each(MODES)(
    'gets 200 KiB of a child that had exited at once over a socket, $mode',
    async ({ flags }) => {
      const child = home.start(['exec', ...flags, sandbox, 'head', '-c', '204800', '/dev/zero']);
      const reader = new ByteReader(child.stdout);
      await sleep(5_000);
      expect((await reader.rest()).equals(Buffer.alloc(204800))).toBe(true);
      expect(await child).toMatchObject({ exitCode: 0 });
    },
  );

  it.each(MODES)(
    'gets everything after a sleep that is longer than the cut time, $mode',
    async ({ flags }) => {
      const script = `seconds=$1; shift
      sbx exec "$@" | { sleep "$seconds"; sha256sum; }; echo "\${PIPESTATUS[@]}" >&2`;
      const args = [String(LONG_MS / 1000), ...flags, sandbox, ...WRITER];
      const result = await runShell(home, script, args);
      expect(result).toMatchObject({ stdout: `${toSha256(WRITTEN)}  -\n`, stderr: '0 0\n' });
    },
  );

  it('gets everything over a socket after a sleep that is longer than the cut time', async () => {
    const child = home.start(['exec', '--stream', sandbox, ...WRITER]);
    const reader = new ByteReader(child.stdout);
    const first = await reader.next();
    await sleep(LONG_MS);
    const rest = await reader.rest();
    expect(toSha256(Buffer.concat([first, rest]))).toBe(toSha256(WRITTEN));
    expect(await child).toMatchObject({ exitCode: 0 });
  });

  it('finds the child alive where it was silent for longer than the cut time', async () => {
    const seconds = String(LONG_MS / 1000);
    const { stdout, exitCode } = await home.run([
      'exec',
      '--stream',
      sandbox,
      'sh',
      '-c',
      `sleep ${seconds}; echo awake`,
    ]);
    expect({ stdout, exitCode }).toEqual({ stdout: 'awake\n', exitCode: 0 });
  });

  it('gets what is sent after a silence that is longer than a body of stdin may last', async () => {
    const child = home.start(['exec', '--stream', sandbox, 'cat']);
    const reader = new ByteReader(child.stdout);
    child.stdin.write('before\n');
    expect(await reader.line()).toBe('before');
    await sleep(STDIN_BODY.ms + 1_000);
    child.stdin.write('after\n');
    expect(await reader.line()).toBe('after');
    child.stdin.end();
    expect(await child).toMatchObject({ exitCode: 0 });
  });

  it('takes all of its stdin where the child begins to read after a body of stdin has timed out', async () => {
    const seconds = (STDIN_BODY.ms + 1_000) / 1000;
    const child = home.start(['exec', '--stream', sandbox, 'sh', '-c', `sleep ${seconds}; sha256sum`]);
    child.stdin.end(WRITTEN);
    expect(await new ByteReader(child.stdout).line()).toBe(`${toSha256(WRITTEN)}  -`);
    expect(await child).toMatchObject({ exitCode: 0 });
  });
});
