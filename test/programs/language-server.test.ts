import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ByteReader } from '../support/byte-reader.ts';
import { useHome, useSandbox } from '../support/home.ts';
import { JsonRpc } from '../support/json-rpc.ts';
import { bringNode, copyIn } from '../support/node-inside.ts';

const require = createRequire(import.meta.url);
const MODULES = dirname(dirname(require.resolve('typescript-language-server/package.json')));
const ROOT = '/workspace/project';
const FILE = `file://${ROOT}/main.ts`;
const TEXT = `interface Greeting { readonly text: string }
export function greet(name: string): Greeting { return { text: 'hé, ' + name }; }
const wrong: number = greet('😀').text;
`;

const home = useHome();
const sandbox = useSandbox(home);
let node: readonly string[];

beforeAll(async () => {
  ({ node } = await bringNode(home, sandbox));
  const names = ['typescript', 'typescript-language-server'];
  await copyIn(home, sandbox, { from: MODULES, names, to: '/workspace/node_modules' });
  await home.run(['exec', sandbox, 'mkdir', ROOT]);
});

interface Diagnostics {
  readonly uri: string;
  readonly diagnostics: { readonly message: string; readonly range: { start: { line: number } } }[];
}

/** Diagnostics come in several parts, of syntax and of types. */
async function findDiagnostics(published: AsyncIterable<unknown[]>, words: string): Promise<Diagnostics> {
  for await (const [params] of published) {
    const said = params as Diagnostics;
    if (said.diagnostics.some(({ message }) => message.includes(words))) return said;
  }
  throw new Error('The language server has ended');
}

it.each([
  { how: 'sbx exec --stream', words: (argv: string[]) => ['exec', '--stream', sandbox, '--', ...argv] },
  { how: 'sbx rsh', words: (argv: string[]) => ['rsh', sandbox, ...argv] },
])(
  'a language server behind $how reads a document, says what is wrong in it, and ends',
  async ({ words }) => {
    const server = '/workspace/node_modules/typescript-language-server/lib/cli.mjs';
    const child = home.start(words([...node, server, '--stdio']));
    const stderr = new ByteReader(child.stderr);
    const rpc = new JsonRpc(child.stdin, child.stdout);
    const { capabilities } = await rpc.request<{ capabilities: object }>('initialize', {
      processId: null,
      rootUri: `file://${ROOT}`,
      capabilities: { textDocument: { publishDiagnostics: {}, hover: { contentFormat: ['plaintext'] } } },
      initializationOptions: { disableAutomaticTypingAcquisition: true },
    });
    expect(capabilities).toMatchObject({ hoverProvider: true });
    rpc.notify('initialized', {});

    const position = { line: 1, character: 17 };
    const document = { uri: FILE, languageId: 'typescript', version: 1, text: TEXT };
    const published = rpc.notifications('textDocument/publishDiagnostics');
    rpc.notify('textDocument/didOpen', { textDocument: document });
    const said = await findDiagnostics(published, 'not assignable');
    expect(said.uri).toBe(FILE);
    expect(said.diagnostics).toContainEqual(
      expect.objectContaining({
        message: "Type 'string' is not assignable to type 'number'.",
        range: expect.objectContaining({ start: { line: 2, character: 6 } }),
      }),
    );

    const hover = await rpc.request('textDocument/hover', { textDocument: { uri: FILE }, position });
    expect(JSON.stringify(hover)).toContain('function greet(name: string): Greeting');

    expect(await rpc.request('shutdown', null)).toBeNull();
    rpc.notify('exit', null);
    child.stdin.end();
    expect((await stderr.rest()).toString()).toBe('');
    expect(await child).toMatchObject({ exitCode: 0 });
  },
);
