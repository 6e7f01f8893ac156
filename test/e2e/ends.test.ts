import { describe, expect, it } from 'vitest';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findExecs } from '../support/api.ts';
import { findGuests, makeMark, waitUntil } from '../support/guests.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { MODES, runShell, startShell } from '../support/shell.ts';

const home = useHome();
const sandbox = useSandbox(home);

/** Writes nothing, and ends with 5 when the reader of the descriptor it is given has gone, as poll(2) tells. */
const WAIT_FOR_READER_TO_GO = `
import select, sys
watch = select.poll()
watch.register(int(sys.argv[1]), 0)
watch.poll()
sys.exit(5)
`;

const READERS = MODES.flatMap(({ mode, flags }) => [
  { reader: 'leaves before the command starts', seconds: '0', mode, flags },
  { reader: 'leaves later', seconds: '0.7', mode, flags },
]);

describe('a reader that goes', () => {
  it('ends an endless command by SIGPIPE, without a word', async () => {
    const mark = makeMark();
    const script = 'sbx exec --stream "$1" yes "$2" | head -c 1; echo " ${PIPESTATUS[0]}"';
    const result = await runShell(home, script, [sandbox, mark]);
    expect(result).toEqual({ stdout: 'm 141\n', stderr: '', exitCode: 0 });
    expect(findGuests(mark)).toEqual([]);
  });

  it('ends a buffered endless command, too', async () => {
    const mark = makeMark();
    const script = 'sbx exec "$1" yes "$2" | true; echo "${PIPESTATUS[0]}"';
    const result = await runShell(home, script, [sandbox, mark]);
    expect(result).toEqual({ stdout: '141\n', stderr: '', exitCode: 0 });
    expect(findGuests(mark)).toEqual([]);
  });

  it('leaves no trace of an endless command in a fresh sandbox', async () => {
    const mark = makeMark();
    const script = 'sbx exec --stream -- yes "$1" | head -c 1; echo " ${PIPESTATUS[0]}"';
    const result = await runShell(home, script, [mark]);
    expect(result).toEqual({ stdout: 'm 141\n', stderr: '', exitCode: 0 });
    expect(findGuests(mark)).toEqual([]);
  });

  it.each(READERS)('is noticed by a command that writes nothing: one that $reader, $mode', async (reader) => {
    const { seconds, flags } = reader;
    const script =
      's=$1 p=$2 t=$3; shift 3; sbx exec "$@" "$s" python3 -c "$p" 1 | sleep "$t"; echo "${PIPESTATUS[0]}"';
    const result = await runShell(home, script, [sandbox, WAIT_FOR_READER_TO_GO, seconds, ...flags]);
    expect(result).toEqual({ stdout: '5\n', stderr: '', exitCode: 0 });
  });

  it.each(READERS)('of stderr is noticed as well: one that $reader, $mode', async (reader) => {
    const { seconds, flags } = reader;
    const script = `s=$1 p=$2 t=$3; shift 3
      { sbx exec "$@" "$s" python3 -c "$p" 2 2>&1 >&3 | sleep "$t"; echo "\${PIPESTATUS[0]}"; } 3>&1`;
    const result = await runShell(home, script, [sandbox, WAIT_FOR_READER_TO_GO, seconds, ...flags]);
    expect(result).toEqual({ stdout: '5\n', stderr: '', exitCode: 0 });
  });

  it('meets a command that writes only now and then at its next write', async () => {
    const mark = makeMark();
    const guest = `echo first; while sleep 0.3; do echo more; done # ${mark}`;
    const script = 'sbx exec --stream "$1" sh -c "$2" | head -n 1; echo "${PIPESTATUS[0]}"';
    const result = await runShell(home, script, [sandbox, guest]);
    expect(result).toEqual({ stdout: 'first\n141\n', stderr: '', exitCode: 0 });
    expect(findGuests(mark)).toEqual([]);
  });

  it('meets a command that writes to stderr at its next write there', async () => {
    const guest = 'echo first >&2; while sleep 0.3; do echo more >&2; done';
    const script =
      '{ sbx exec --stream "$1" sh -c "$2" 2>&1 >&3 | head -n 1; echo "${PIPESTATUS[0]}"; } 3>&1';
    const result = await runShell(home, script, [sandbox, guest]);
    expect(result).toEqual({ stdout: 'first\n141\n', stderr: '', exitCode: 0 });
  });

  it('is a write error, no more, for a command that ignores SIGPIPE', async () => {
    const guest = 'trap "" PIPE; yes; echo "yes: $?" >&2; exit 3';
    const script = 'sbx exec --stream "$1" sh -c "$2" | head -c 1; echo " ${PIPESTATUS[0]}"';
    const { stdout, stderr } = await runShell(home, script, [sandbox, guest]);
    expect(stdout).toBe('y 3\n');
    expect(stderr).toMatch(/^yes: .*Broken pipe\nyes: 1\n$/);
  });

  it('of stdout leaves stderr whole', async () => {
    const guest = 'trap "" PIPE; yes 2>/dev/null; seq 100000 >&2';
    const script = '{ sbx exec --stream "$1" sh -c "$2" | head -c 1 >/dev/null; } 2>&1 | tail -n 1';
    expect(await runShell(home, script, [sandbox, guest])).toMatchObject({ stdout: '100000\n' });
  });

  it('of both streams at once ends the command', async () => {
    const script = 'sbx exec --stream "$1" yes 2>&1 | head -c 1; echo " ${PIPESTATUS[0]}"';
    expect(await runShell(home, script, [sandbox])).toEqual({ stdout: 'y 141\n', stderr: '', exitCode: 0 });
  });
});

describe.each(MODES)('output that cannot be written, $mode', ({ flags }) => {
  it('is 125 and named where the disk is full', async () => {
    const mark = makeMark();
    const script = 's=$1 g=$2; shift 2; sbx exec "$@" "$s" sh -c "$g" > /dev/full';
    const guest = `echo first; : ${mark}`;
    const { stdout, stderr, exitCode } = await runShell(home, script, [sandbox, guest, ...flags]);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 125 });
    expect(stderr).toMatch(/^sbx: Cannot write to stdout: ENOSPC.*\nsbx: hint: .+\n$/);
    expect(findGuests(mark)).toEqual([]);
  });

  it('is 125 where it is stderr, of which nothing can tell', async () => {
    const script = 's=$1; shift; sbx exec "$@" "$s" sh -c "echo out; echo err >&2" 2> /dev/full';
    const { stdout, exitCode } = await runShell(home, script, [sandbox, ...flags]);
    expect({ stdout, exitCode }).toEqual({ stdout: 'out\n', exitCode: 125 });
  });

  it('is 125 and said where stdout was closed by the caller', async () => {
    const script = 's=$1; shift; sbx exec "$@" "$s" echo hi >&-';
    const { stderr, exitCode } = await runShell(home, script, [sandbox, ...flags]);
    expect(exitCode).toBe(125);
    expect(stderr).toMatch(/^sbx: Cannot write to stdout: .*closed.*\nsbx: hint: .+\n$/);
  });

  it('is 125 where stderr was closed by the caller', async () => {
    const script = 's=$1; shift; sbx exec "$@" "$s" sh -c "echo err >&2" 2>&-';
    expect(await runShell(home, script, [sandbox, ...flags])).toMatchObject({ stdout: '', exitCode: 125 });
  });

  it('is no error where there is none to write', async () => {
    const script = `s=$1; shift
      sbx exec "$@" "$s" true >&-; echo "$?" >&2
      sbx exec "$@" "$s" true >/dev/full; echo "$?" >&2
      sbx exec "$@" "$s" echo hi 2>&-; echo "$?" >&2
      sbx exec "$@" "$s" sh -c 'exit 9' <&- >&- 2>&-; echo "$?" >&2`;
    const result = await runShell(home, script, [sandbox, ...flags]);
    expect(result).toEqual({ stdout: 'hi\n', stderr: '0\n0\n0\n9\n', exitCode: 0 });
  });

  it('does not matter to stdin: a closed descriptor 0 is /dev/null', async () => {
    const script = 's=$1; shift; sbx exec "$@" "$s" sh -c "cat; readlink /proc/self/fd/0" <&-';
    const result = await runShell(home, script, [sandbox, ...flags]);
    expect(result).toEqual({ stdout: '/dev/null\n', stderr: '', exitCode: 0 });
  });
});

it('ends an endless command whose output meets a full disk', async () => {
  const mark = makeMark();
  const script = 'sbx exec --stream "$1" yes "$2" > /dev/full';
  const { stderr, exitCode } = await runShell(home, script, [sandbox, mark]);
  expect(exitCode).toBe(125);
  expect(stderr).toMatch(/^sbx: Cannot write to stdout: ENOSPC/);
  expect(findGuests(mark)).toEqual([]);
});

it('gives 125 for results of its own that cannot be written', async () => {
  const script = 'for c in ls version "inspect $1"; do sbx $c >/dev/full; echo $?; sbx $c >&-; echo $?; done';
  const { stdout, stderr } = await runShell(home, script, [sandbox]);
  expect(stdout).toBe('125\n'.repeat(6));
  expect(stderr.match(/^sbx: Cannot write to stdout: /gm)).toHaveLength(6);
});

describe('a command that has left a writer behind, for a reader that has paused,', () => {
  const ways = [
    { by: 'is ended by sbx kill', options: [], isKilled: true },
    { by: 'is ended by KILL', options: [], isKilled: true, kill: ['--signal', 'KILL'] },
    { by: 'is ended by its --timeout', options: ['--timeout', '3s'], isKilled: false },
  ];
  it.each(ways)('$by', async ({ options, isKilled, kill = [] }) => {
    const mark = makeMark();
    const hold = join(home.stateDir, `hold-${mark}`);
    execFileSync('mkfifo', ['-m', '666', hold]);
    const script = `s=$1 g=$2 h=$3; shift 3
      sbx exec --stream "$@" "$s" sh -c "$g" | { read -r _ < "$h"; cat > /dev/null; }; exit "\${PIPESTATUS[0]}"`;
    const run = startShell(home, script, [sandbox, `yes ${mark} & exit 3`, hold, ...options]);
    const writers = () => findGuests(`yes\0${mark}`).length;
    if (isKilled) {
      await waitUntil(() => writers() === 1 && findGuests(mark).length === 1);
      const [exec] = await findExecs(home, mark);
      expect(await home.run(['kill', ...kill, exec!.id])).toMatchObject({ exitCode: 0 });
      await waitUntil(() => writers() === 0);
    }
    await waitUntil(async () => (await findExecs(home, mark))[0]?.state === 'exited');
    expect(await findExecs(home, mark)).toMatchObject([{ exit: { code: 3 }, reason: 'exited' }]);
    writeFileSync(hold, 'go on\n');
    expect(await run).toMatchObject({ exitCode: 3 });
    rmSync(hold);
    await home.run(['exec', sandbox, 'pkill', '-f', mark]);
  });
});
