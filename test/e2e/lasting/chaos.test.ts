import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readDaemon } from '../../support/api.ts';
import { ChaosProxy, type ChaosProxyOptions } from '../../support/chaos-proxy.ts';
import { useHome, useSandbox, type Home } from '../../support/home.ts';
import {
  COUNTER,
  expectEnd,
  expectSameBytes,
  startStreaming,
  stream,
  toNumbers,
} from '../../support/streaming.ts';
import { toVia } from '../../support/via.ts';

const MIB = 1024 * 1024;
const NONE = Buffer.alloc(0);
const ECHOED = randomBytes(32 * MIB);
/** What a reader reads of a command that writes for ever. */
const READ_BYTES = 24 * MIB;
const NUMBERS = toNumbers(READ_BYTES);

/** These are about bytes: no stall of a slow machine is to be the end of a run. */
const LONG = ['--reconnect-grace', '1h'];

/** More of them by hand: SBX_CHAOS_SEEDS=100. */
const SEEDS = Array.from({ length: Number(process.env['SBX_CHAOS_SEEDS'] ?? 10) }, (_, at) => at + 1);
const FEW_SEEDS = SEEDS.slice(0, Math.ceil(SEEDS.length / 5));

const home = useHome();
const sandbox = useSandbox(home);

const ROADS = [
  { road: 'the channel', refusesUpgrades: false },
  { road: 'plain HTTP', refusesUpgrades: true },
];

type Rest = Omit<ChaosProxyOptions, 'upstream'>;

/** Runs a test behind a bad network; a failure tells the seed, and all that has been cut. */
async function behind(options: Rest, test: (via: Home, proxy: ChaosProxy) => Promise<void>): Promise<void> {
  const proxy = await ChaosProxy.open({ upstream: () => readDaemon(home).socket, ...options });
  try {
    await test(toVia(home, proxy.host), proxy);
  } catch (error) {
    throw new Error(`Behind a proxy with ${proxy.toString()}`, { cause: error });
  } finally {
    await proxy.close();
  }
}

describe.each(ROADS)('over $road, which is cut again and again', ({ road, refusesUpgrades }) => {
  it.each(SEEDS)('32 MiB come back unchanged from a command that ran once, seed %i', async (seed) => {
    await behind({ seed, refusesUpgrades }, async (via, proxy) => {
      const count = `/tmp/count-${road.replaceAll(' ', '-')}-${seed}`;
      const script = `echo x >> ${count}; exec cat`;
      const { status, stdout, stderr } = await stream(
        via,
        [...LONG, sandbox, '--', 'sh', '-c', script],
        ECHOED,
      );
      expectEnd({ status, stderr, stdout: NONE }, { status: 0 });
      expectSameBytes(stdout, ECHOED);
      expect(await readInside(count)).toBe('x\n');
      expect(proxy.cuts).toBeGreaterThanOrEqual(20);
    });
  });

  it.each(FEW_SEEDS)('both streams arrive whole, seed %i', async (seed) => {
    await behind({ seed: 1000 + seed, refusesUpgrades }, async (via, proxy) => {
      const sent = ECHOED.subarray(0, 8 * MIB);
      const { status, stdout, stderr } = await stream(via, [...LONG, sandbox, 'tee', '/dev/stderr'], sent);
      expect(status).toBe(0);
      expectSameBytes(stdout, sent);
      expectSameBytes(stderr, sent);
      expect(proxy.cuts).toBeGreaterThanOrEqual(20);
    });
  });

  it.each(FEW_SEEDS)(
    'a slow reader of an endless writer misses nothing and meets nothing twice, seed %i',
    async (seed) => {
      await behind({ seed: 2000 + seed, refusesUpgrades, maxCuts: Infinity }, async (via, proxy) => {
        const run = startStreaming(via, ['-n', ...LONG, sandbox, ...COUNTER]);
        const chunks: Buffer[] = [];
        for (let length = 0; length < READ_BYTES; length += chunks.at(-1)!.length) {
          // A pause every now and then: a reader that sleeps at each chunk would take for ever.
          if (chunks.length % 16 === 0) await sleep(20);
          const chunk = await run.stdout.next();
          if (chunk.length === 0) break;
          chunks.push(chunk);
        }
        expectSameBytes(Buffer.concat(chunks).subarray(0, READ_BYTES), NUMBERS);
        expect(proxy.cuts).toBeGreaterThanOrEqual(20);
        run.child.stdout.destroy();
        expectEnd({ ...(await run.finish()), stdout: NONE }, { status: 141 });
      });
    },
  );

  it.each(FEW_SEEDS)('each of 300 turns gets its answer, seed %i', async (seed) => {
    await behind({ seed: 3000 + seed, refusesUpgrades, reads: [3, 40] }, async (via, proxy) => {
      const run = startStreaming(via, [...LONG, sandbox, 'cat']);
      for (let turn = 0; turn < 300; turn += 1) {
        run.write(`turn ${turn}\n`);
        expect(await run.stdout.line()).toBe(`turn ${turn}`);
      }
      run.child.stdin.end();
      expectEnd(await run.finish(), { status: 0 });
      expect(proxy.cuts).toBeGreaterThanOrEqual(10);
    });
  });
});

async function readInside(path: string): Promise<unknown> {
  const { stdout } = await home.run(['exec', sandbox, 'cat', path]);
  return stdout;
}
