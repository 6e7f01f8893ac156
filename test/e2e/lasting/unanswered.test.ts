import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findDaemons } from '../../support/daemons.ts';
import { waitUntil } from '../../support/guests.ts';
import { openHome, useHome } from '../../support/home.ts';

const home = useHome();

describe('a server that takes a request and does not answer it', () => {
  let silent: Server;
  let host: string;

  beforeAll(async () => {
    silent = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => silent.emit('asked'));
    }).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    host = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    silent.close();
  });

  it.each([
    { words: ['attach'], signal: 'SIGINT', status: 130 },
    { words: ['logs'], signal: 'SIGHUP', status: 129 },
    { words: ['logs', '--tail', '3'], signal: 'SIGINT', status: 130 },
    { words: ['wait'], signal: 'SIGTERM', status: 143 },
  ] as const)('is not waited for after a signal: sbx $words', async ({ words, signal, status }) => {
    const asked = once(silent, 'asked');
    const child = home.start([...words, '--host', host, randomUUID()], { stdin: 'pipe' });
    await asked;
    child.kill(signal);
    expect(await child).toMatchObject({ exitCode: status });
  });
});

it('a daemon that does not come to serve is not waited for after a signal', async () => {
  const cold = await openHome();
  // It reads the records before it serves, and of this one until somebody has written it.
  const directory = join(cold.stateDir, 'execs', 'x');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await execa('mkfifo', [join(directory, 'record.json')]);
  const child = cold.start(['exec', '--', 'true'], { stdin: 'ignore' });
  await waitUntil(() => findDaemons(cold.stateDir).length > 0);
  child.kill('SIGINT');
  expect(await child).toMatchObject({ exitCode: 130 });
  await writeFile(join(directory, 'record.json'), '');
  await waitUntil(() => existsSync(join(cold.stateDir, 'daemon.json')));
  await cold.close();
});
