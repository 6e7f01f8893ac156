import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
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
          // Not the folders of test/e2e: what happens on the way to a server, what outlasts it and what is printed is
          // the same for every user.
          include: ['test/e2e/*.test.ts', 'test/programs/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts', 'test/rootless-setup.ts'],
          env: { SBX_TEST_USER: toTestUserName() },
        },
      },
    ],
    globalSetup: 'test/global-setup.ts',
    // Real processes and real runtimes: a worker is a process of its own. Half of its time it waits, so that two
    // for each core fill it.
    pool: 'forks',
    maxWorkers: 2 * availableParallelism(),
    // For a busy machine, not for slow tests.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
