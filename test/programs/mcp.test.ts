import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findExecs } from '../support/api.ts';
import { waitUntil } from '../support/guests.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { bringNode, copyIn } from '../support/node-inside.ts';
import { toShellCommand } from '../support/shell.ts';
import { openWorkplace, type Workplace } from '../support/workplace.ts';

const SERVER = fileURLToPath(new URL('../fixtures/mcp-server.mjs', import.meta.url));

const home = useHome();
const sandbox = useSandbox(home);
let work: Workplace;
let node: readonly string[];

beforeAll(async () => {
  work = await openWorkplace();
  ({ node } = await bringNode(home, sandbox));
  const outfile = `${work.path}/adder.mjs`;
  await build({ entryPoints: [SERVER], outfile, bundle: true, platform: 'node', format: 'esm' });
  await copyIn(home, sandbox, { from: dirname(outfile), names: ['adder.mjs'], to: '/workspace' });
});
afterAll(async () => {
  await work.close();
});

interface Answer {
  readonly sum: number;
  readonly calls: number;
}

/** Connects as an agent does to a tool: the transport starts `sbx` and speaks on its stdin and stdout. */
async function connect(script: string): Promise<{ client: Client; stderr: () => string }> {
  const command = toShellCommand(home, script, [sandbox, ...node]);
  const transport = new StdioClientTransport({ ...command, stderr: 'pipe' });
  let stderr = '';
  transport.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const client = new Client({ name: 'test', version: '1.0.0' });
  await client.connect(transport);
  return { client, stderr: () => stderr };
}

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<string> {
  const { content } = (await client.callTool({ name, arguments: args })) as { content: { text: string }[] };
  return content[0]!.text;
}

it.each([
  { how: 'sbx exec --stream', script: 'exec sbx exec --stream "$1" -- "$2" adder.mjs' },
  { how: 'sbx exec -i', script: 'exec sbx exec -i "$1" -- "$2" adder.mjs' },
  { how: 'sbx rsh', script: 'exec sbx rsh "$1" "$2" adder.mjs' },
])('a tool server behind $how initializes, lists its tools, and is called 100 times', async ({ script }) => {
  const { client, stderr } = await connect(script);
  expect(client.getServerVersion()).toEqual({ name: 'adder', version: '1.0.0' });
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['add', 'repeat']);
  const answers: Answer[] = [];
  for (let i = 0; i < 100; i += 1) {
    answers.push(JSON.parse(await call(client, 'add', { a: i, b: 1 })) as Answer);
  }
  expect(answers.map(({ sum }) => sum)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(answers.map(({ calls }) => calls)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  await client.close();
  expect(stderr()).toBe('adder is ready\n');
});

it('answers 100 calls that are asked at once', async () => {
  const { client } = await connect('exec sbx exec --stream "$1" -- "$2" adder.mjs');
  const calls = Array.from({ length: 100 }, (_, i) => call(client, 'add', { a: i, b: 1 }));
  const sums = (await Promise.all(calls)).map((text) => (JSON.parse(text) as Answer).sum);
  expect(sums).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  await client.close();
});

it('carries a message of 3 MiB each way, with characters of every length', async () => {
  const { client } = await connect('exec sbx exec --stream "$1" -- "$2" adder.mjs');
  const text = 'aä€😀\n\u2028"\\'.repeat(100_000);
  expect((await call(client, 'repeat', { text, times: 2 })) === text.repeat(2)).toBe(true);
  await client.close();
});

it('ends its server with the end of stdin, by itself and with 0', async () => {
  // No exec: the transport sends TERM after two seconds, which is not for sbx.
  const script = 'sbx exec --stream "$1" -- "$2" adder.mjs 0 end-of-stdin; exit $?';
  const { client } = await connect(script);
  await client.close();
  const isEnded = async (): Promise<boolean> =>
    (await findExecs(home, 'end-of-stdin')).every(({ ended }) => ended !== null);
  await waitUntil(isEnded);
  expect(await findExecs(home, 'end-of-stdin')).toMatchObject([{ exit: { code: 0 }, reason: 'exited' }]);
});
