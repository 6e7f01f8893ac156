import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { toTestUserName } from './test/rootless-setup.ts';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export default defineConfig({
  define: { __SBX_VERSION__: JSON.stringify(version) },
  test: {
    projects: [
      { extends: true, test: { name: 'root', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'rootless',
          include: ['test/e2e/**/*.test.ts', 'test/programs/**/*.test.ts'],
          // What happens on the way to a server, and to what is printed, is the same for every user.
          exclude: [
            'test/e2e/{chaos,chaos-moments,chaos-proxy,host,json-*,many-execs,nginx,reconnect,silences}.test.ts',
          ],
          globalSetup: ['test/global-setup.ts', 'test/rootless-setup.ts'],
          env: { SBX_TEST_USER: toTestUserName() },
        },
      },
    ],
    globalSetup: 'test/global-setup.ts',
    // Real processes and real runtimes: a worker is a process of its own, and two of them fill two cores.
    pool: 'forks',
    maxWorkers: 2,
    // For a busy machine, not for slow tests.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
