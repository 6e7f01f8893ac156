import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findExecs, readDaemon } from '../support/api.ts';
import { ByteReader } from '../support/byte-reader.ts';
import { waitUntil } from '../support/guests.ts';
import { openHome, type Home } from '../support/home.ts';
import { MODES, runShell } from '../support/shell.ts';

let home: Home;
let sandbox: string;

beforeEach(async () => {
  home = await openHome();
  sandbox = await home.createSandbox();
});
afterEach(() => home.close());

describe.each(MODES)('a daemon that is killed in mid-stream, $mode', ({ flags }) => {
  it('is 125 and said; the exec is lost, its processes are gone, the sandbox goes on', async () => {
    const mark = `1000.${process.pid}${flags.length}`;
    const script = `echo partial; touch /tmp/begun; exec sleep ${mark}`;
    const child = home.start(['exec', ...flags, sandbox, 'sh', '-c', script]);
    const [stdout, stderr] = [new ByteReader(child.stdout), new ByteReader(child.stderr)];
    await waitUntil(async () => (await run('test -e /tmp/begun')).exitCode === 0);
    await waitUntil(() => findSleepers(mark).length === 1);
    const { pid } = readDaemon(home);
    process.kill(pid, 'SIGKILL');

    expect((await stdout.rest()).toString()).toBe('partial\n');
    expect((await stderr.rest()).toString()).toMatch(
      /^sbx: session ended without exit event: \S.*\nsbx: .*\n$/,
    );
    expect(await child).toMatchObject({ exitCode: 125 });

    expect(await run('echo usable; test -e /tmp/begun')).toMatchObject({ stdout: 'usable\n', exitCode: 0 });
    expect(readDaemon(home).pid).not.toBe(pid);
    expect(await findExecs(home, mark)).toMatchObject([{ state: 'lost', exit: null, reason: 'lost' }]);
    await waitUntil(() => findSleepers(mark).length === 0);
  });
});

it('is 125 for a daemon that is killed where input and output are flowing', async () => {
  const script = `pid=$1; shift
      yes | sbx exec "$@" -- sh -c 'exec tee /dev/stderr' 2>/dev/null | { head -c 1000000 >/dev/null; kill -9 "$pid"; cat >/dev/null; }
      echo "\${PIPESTATUS[@]}"`;
  const daemon = String(readDaemon(home).pid);
  const { stdout } = await runShell(home, script, [daemon, '--stream', sandbox]);
  expect(stdout).toBe('141 125 0\n');
});

function run(script: string) {
  return home.run(['exec', sandbox, 'sh', '-c', script]);
}

/** Guests, as this machine sees them, that sleep for so long. */
function findSleepers(seconds: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${seconds}\0`;
      } catch {
        return false;
      }
    });
}
