import { routes } from '../../src/protocol/api.ts';
import type { ErrorCode } from '../../src/protocol/errors.ts';
import { LONG_LOG, readOutputSize, startDetachedShell, withBrokenLog } from './detached.ts';
import { waitUntil } from './guests.ts';
import type { Home } from './home.ts';

/** What somebody was told: on stderr with an exit status, or as the body of an answer with its status. */
export interface Told {
  readonly exit?: number | undefined;
  readonly http?: number | undefined;
  readonly code?: string;
  readonly message: string;
  readonly hint: string;
}

export interface ErrorCase {
  /** What has to stand in the message: the value that is wrong, most of all. */
  readonly names: string;
  /** What to type or do next, where the table's own words are not used. */
  readonly hint?: string;
  reach(): Promise<Told>;
}

export interface Call {
  readonly path: string;
  readonly method?: string;
  readonly json?: unknown;
  readonly bytes?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ErrorTools {
  getHome(): Home;
  /** Runs `sbx` with these words. */
  type(...args: string[]): () => Promise<Told>;
  call(call: Call): Promise<Told>;
  toTold(result: Awaited<ReturnType<Home['run']>>): Told;
  /** Starts an exec that nobody follows, uses it, and kills it. */
  withExec(argv: readonly string[], use: (id: string) => Promise<Told>): Promise<Told>;
}

/** The session in whose name stdin is sent. */
export const CLIENT = '00000000-0000-4000-8000-00000000c11e';
export const SLEEP = ['sh', '-c', 'exec sleep 300'];

/** A script that goes on by itself until it was used. */
async function withDetached(
  home: Home,
  script: readonly [string, ...string[]],
  use: (id: string) => Promise<Told>,
): Promise<Told> {
  const id = await startDetachedShell(home, 'web', script);
  const told = await use(id);
  await home.run(['kill', '-s', 'KILL', id]);
  await home.run(['wait', id]);
  await home.run(['rm', '--exec', id]);
  return told;
}

/** The errors that are about execs which are there, or were. */
export function makeExecCases(tools: ErrorTools) {
  const home = (): Home => tools.getHome();
  return {
    invalid_exec_id: { names: '"box-1"', reach: tools.type('logs', 'box-1') },
    exec_ambiguous: {
      names: 'abcdef00',
      reach: async () => {
        const ids = ['1', '2'].map((last) => `abcdef00-0000-4000-8000-00000000000${last}`);
        for (const id of ids)
          await tools.call({ path: routes.execs, json: { id, sandbox: 'web', argv: ['true'] } });
        return tools.toTold(await home().run(['wait', 'abcdef00']));
      },
    },
    exec_running: {
      names: 'runs',
      reach: () =>
        withDetached(home(), ['exec sleep 300'], async (id) =>
          tools.toTold(await home().run(['rm', '--exec', id])),
        ),
    },
    output_not_kept: {
      names: 'is not kept',
      reach: () => tools.withExec(SLEEP, async (id) => tools.toTold(await home().run(['logs', id]))),
    },
    log_unreadable: {
      names: 'EISDIR',
      reach: () =>
        withDetached(home(), [`head -c ${LONG_LOG} /dev/zero; exec sleep 300`], async (id) => {
          await waitUntil(async () => (await readOutputSize(home(), id)) === LONG_LOG);
          return withBrokenLog(home(), id, async () => tools.toTold(await home().run(['logs', id])));
        }),
    },
    position_expired: {
      names: 'position 5',
      reach: () =>
        withDetached(
          home(),
          ['head -c 1000000 /dev/zero; echo done >&2; exec sleep 300', '--log-size', '64KiB'],
          async (id) => {
            await waitUntil(
              async () => String((await home().run(['logs', '--stderr', id])).stderr) === 'done\n',
            );
            return tools.toTold(await home().run(['attach', '-n', '--from', '5', id]));
          },
        ),
    },
    position_beyond_end: {
      names: '1000',
      reach: () =>
        withDetached(home(), ['echo hi; exec sleep 300'], async (id) =>
          tools.toTold(await home().run(['attach', '-n', '--from', '1000', id])),
        ),
    },
    stdin_owned: {
      names: 'another client owns it',
      reach: () =>
        tools.withExec(['sh', '-c', 'exec sleep 300'], async (id) => {
          const owner = home().start(['attach', '--take', id], { stdin: 'pipe' });
          owner.stdout.resume();
          owner.stderr.resume();
          let told = await tools.call({ path: routes.stdin(id, 0, CLIENT), bytes: '' });
          await waitUntil(async () => {
            told = await tools.call({ path: routes.stdin(id, 0, CLIENT), bytes: 'mine' });
            return told.http !== 200;
          });
          owner.kill('SIGKILL');
          await owner;
          return told;
        }),
    },
    upgrade_required: {
      names: 'sbx-frames',
      reach: () => tools.call({ method: 'GET', path: routes.channel }),
    },
  } satisfies Partial<Record<ErrorCode, ErrorCase>>;
}
