import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { startDetached } from '../../../src/client/api.ts';
import { ExecSession } from '../../../src/client/exec-session.ts';
import { createLocalTransport } from '../../../src/client/http-transport.ts';
import type { Transport } from '../../../src/client/transport.ts';
import { readDaemon } from '../../support/api.ts';
import { countSockets } from '../../support/daemons.ts';
import { waitUntil } from '../../support/guests.ts';
import { useHome, useSandbox } from '../../support/home.ts';

const home = useHome();
const sandbox = useSandbox(home);

const AT_ONCE = 20;
const ATTACHED = 450;
const DETACHED = 50;
/** What a heap may grow by that has seen 500 execs before, in KiB. */
const GROWTH = 32 * 1024;

const toArgv = (index: number) => ['sh', '-c', `echo ${index}; exit ${index % 3}`];

async function runAttached(transport: Transport, index: number): Promise<string> {
  const id = randomUUID();
  let text = '';
  const session = new ExecSession({
    transport,
    client: randomUUID(),
    opening: { start: { id, sandbox, argv: toArgv(index) } },
    stdout: (bytes, written) => {
      text += bytes.toString();
      written();
    },
    stderr: (_bytes, written) => {
      written();
    },
  });
  const { exit } = await session.run();
  expect({ exit, text }).toEqual({ exit: { code: index % 3 }, text: `${index}\n` });
  return id;
}

async function runDetached(transport: Transport, index: number): Promise<string> {
  const id = randomUUID();
  const connection = await transport.connect();
  await startDetached(connection, { id, sandbox, argv: toArgv(index) });
  connection.close();
  return id;
}

/** Runs a batch of execs, so many at once, and gives their ids. */
async function runBatch(): Promise<string[]> {
  const transport = createLocalTransport(readDaemon(home).socket);
  const ids: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < ATTACHED + DETACHED) {
      const index = next;
      next += 1;
      const isDetached = index % ((ATTACHED + DETACHED) / DETACHED) === 0;
      ids.push(await (isDetached ? runDetached : runAttached)(transport, index));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await waitUntil(async () => (await home.run(['ps', '-q'])).stdout === '');
  return ids;
}

/** What the daemon has open, without connections, which come and go. */
function countDescriptors(): number {
  return readdirSync(`/proc/${readDaemon(home).pid}/fd`).length;
}

/** Resident memory of the daemon, in KiB. */
function readMemory(): number {
  const status = readFileSync(`/proc/${readDaemon(home).pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}

it(`${ATTACHED} attached and ${DETACHED} detached execs are listed, and leave neither descriptors nor memory`, async () => {
  await home.run(['exec', sandbox, 'true']);
  // The connection of that one has gone.
  await waitUntil(() => countSockets(readDaemon(home).socket) === 1);
  const descriptors = countDescriptors();
  const memory = [readMemory()];
  const ids = await runBatch();
  memory.push(readMemory());
  const listed = String((await home.run(['ps', '--all', '-q'])).stdout)
    .trim()
    .split('\n');
  expect(ids).toHaveLength(ATTACHED + DETACHED);
  expect(ids.filter((id) => !listed.includes(id))).toEqual([]);
  await waitUntil(() => countDescriptors() === descriptors);
  await runBatch();
  memory.push(readMemory());
  await waitUntil(() => countDescriptors() === descriptors);
  const [, first = 0, second = 0] = memory;
  expect(second - first, `KiB before, after one batch, after two: ${memory.join(', ')}`).toBeLessThan(GROWTH);
});
