import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findExecs, readDaemon } from '../support/api.ts';
import { ByteReader } from '../support/byte-reader.ts';
import { startDetachedShell, toBuffer } from '../support/detached.ts';
import { makeMark, waitForGuestsToEnd } from '../support/guests.ts';
import { openHome, type Home } from '../support/home.ts';
import { expectSameBytes, toNumbers } from '../support/streaming.ts';

let home: Home;
let sandbox: string;

beforeEach(async () => {
  home = await openHome();
  sandbox = await home.createSandbox();
});
afterEach(() => home.close());

/** Some lines a second, and as many as the machine makes: 40 MB at most, which the log has room for. */
const WRITERS = [
  { how: 'slowly', script: 'seq 100000000 999999999 | while read -r n; do echo $n; sleep 0.01; done' },
  { how: 'at full speed', script: 'seq 100000000 104000000; sleep 1000' },
];

describe.each(WRITERS)('a server that is killed while a detached exec writes $how', ({ script }) => {
  it('leaves everything in its log that was shown, once, and the exec is lost', async () => {
    const mark = makeMark();
    const id = await startDetachedShell(home, sandbox, [`${script} # ${mark}`]);
    const follower = home.start(['logs', '-f', id]);
    const stdout = new ByteReader(follower.stdout);
    const stderr = new ByteReader(follower.stderr).rest();
    for (let lines = 0; lines < 100; lines += 1) await stdout.line();
    process.kill(readDaemon(home).pid, 'SIGKILL');

    const shown = 100 * 10 + (await stdout.rest()).length;
    expect(await follower).toMatchObject({ exitCode: 125 });
    expect((await stderr).toString()).toMatch(
      /^sbx: session ended without exit event: \S.*\nsbx: hint: .*\n$/,
    );
    await waitForGuestsToEnd(mark);

    const listed = await home.run(['ps', '--all', '-q']);
    expect(listed).toMatchObject({ stdout: `${id}\n`, stderr: '', exitCode: 0 });
    expect(await findExecs(home, mark)).toMatchObject([{ id, state: 'lost', exit: null, reason: 'lost' }]);
    const kept = await home.runBytes(['logs', id]);
    const bytes = toBuffer(kept.stdout);
    expect({ stderr: toBuffer(kept.stderr).toString(), exitCode: kept.exitCode }).toEqual({
      stderr: '',
      exitCode: 0,
    });
    expect(bytes.length).toBeGreaterThanOrEqual(shown);
    expectSameBytes(bytes, toNumbers(bytes.length));
    const waited = await home.run(['wait', id]);
    expect(waited).toMatchObject({ stdout: '', exitCode: 125 });
    expect(waited.stderr).toMatch(/^sbx: Exec .* is lost: its server ended while it ran\nsbx: hint: .*\n$/);
  });
});
