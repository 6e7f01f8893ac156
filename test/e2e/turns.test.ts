import { expect, it } from 'vitest';
import { ByteReader } from '../support/byte-reader.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { startShell } from '../support/shell.ts';

const TURNS = 1000;
/** Answers each line, then says in a file of the sandbox that it has. */
const ANSWERER = `
import sys
for line in sys.stdin:
    print('reply to ' + line.strip())
    open('/tmp/answered', 'w').write(line)
`;
const CHILD = ['python3', '-u', '-c', ANSWERER];

const home = useHome();
const sandbox = useSandbox(home);

interface Driven {
  readonly write: (text: string) => void;
  readonly reader: ByteReader;
}

async function takeTurns({ write, reader }: Driven): Promise<string[]> {
  const replies: string[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    write(`line ${turn}\n`);
    replies.push(await reader.line());
  }
  return replies;
}

const ALL_REPLIES = Array.from({ length: TURNS }, (_, turn) => `reply to line ${turn}`);

it('answers 1,000 lines, each sent only after the reply to the one before, over sockets', async () => {
  const child = home.start(['exec', '--stream', sandbox, ...CHILD]);
  const reader = new ByteReader(child.stdout);
  const replies = await takeTurns({ write: (text) => child.stdin.write(text), reader });
  child.stdin.end();
  expect(replies).toEqual(ALL_REPLIES);
  expect(await reader.rest()).toHaveLength(0);
  expect(await child).toMatchObject({ exitCode: 0 });
});

it('answers 1,000 lines turn by turn over the pipes of a shell', async () => {
  const script = 'cat | sbx exec --stream "$@" | cat; exit ${PIPESTATUS[1]}';
  const child = startShell(home, script, [sandbox, ...CHILD]);
  const reader = new ByteReader(child.stdout);
  const replies = await takeTurns({ write: (text) => child.stdin.write(text), reader });
  child.stdin.end();
  expect(replies).toEqual(ALL_REPLIES);
  expect(await child).toMatchObject({ exitCode: 0 });
});

it('prints no reply before stdin has ended without --stream, and then all of them', async () => {
  await home.run(['exec', sandbox, 'rm', '-f', '/tmp/answered']);
  const child = home.start(['exec', sandbox, ...CHILD]);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin.write('one\n');
  // The reply is there, and could be printed: the child has gone on to say so.
  await waitUntilAnswered('one\n');
  child.stdin.write('two\n');
  await waitUntilAnswered('two\n');
  expect(chunks).toEqual([]);
  child.stdin.end();
  expect(await child).toMatchObject({ exitCode: 0 });
  expect(Buffer.concat(chunks).toString()).toBe('reply to one\nreply to two\n');
});

async function waitUntilAnswered(line: string): Promise<void> {
  for (;;) {
    const { stdout } = await home.run(['exec', sandbox, 'sh', '-c', 'cat /tmp/answered 2>/dev/null']);
    if (stdout === line) return;
  }
}
