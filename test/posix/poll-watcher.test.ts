import { closeSync, readSync, writeSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPipe } from '../../src/posix/pipes.ts';
import { POLLERR, POLLHUP, POLLIN, PollWatcher } from '../../src/posix/poll-watcher.ts';

describe('a poll watcher', () => {
  let watcher: PollWatcher;
  beforeEach(() => {
    watcher = new PollWatcher();
  });
  afterEach(() => watcher.close());

  it('tells the writer of a pipe that its reader has gone', async () => {
    const { readEnd, writeEnd } = createPipe();
    const gone = new Promise<number>((resolve) => watcher.watch(writeEnd, 0, resolve));
    closeSync(readEnd);
    expect((await gone) & POLLERR).toBe(POLLERR);
    closeSync(writeEnd);
  });

  it('tells the reader of a pipe that its writer has gone', async () => {
    const { readEnd, writeEnd } = createPipe();
    const gone = new Promise<number>((resolve) => watcher.watch(readEnd, 0, resolve));
    closeSync(writeEnd);
    expect((await gone) & POLLHUP).toBe(POLLHUP);
    closeSync(readEnd);
  });

  it('watches any number of descriptors, added and taken away while it polls', async () => {
    const pipes = Array.from({ length: 50 }, createPipe);
    const seen: number[] = [];
    const all = new Promise<void>((resolve) => {
      pipes.forEach(({ readEnd }, index) => {
        const watch = watcher.watch(readEnd, POLLIN, () => {
          seen.push(index);
          if (seen.length === 25) resolve();
        });
        if (index % 2 === 1) watch.close();
      });
    });
    for (const { writeEnd } of pipes) {
      writeSync(writeEnd, 'x');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await all;
    expect(seen.every((index) => index % 2 === 0)).toBe(true);
    expect(new Set(seen).size).toBe(25);
    pipes.forEach(({ readEnd, writeEnd }) => [readEnd, writeEnd].forEach((fd) => closeSync(fd)));
  });

  it('calls back once', async () => {
    const { readEnd, writeEnd } = createPipe();
    let calls = 0;
    const called = new Promise<void>((resolve) => {
      watcher.watch(readEnd, POLLIN, () => {
        calls++;
        resolve();
      });
    });
    writeSync(writeEnd, 'xy');
    await called;
    readSync(readEnd, Buffer.alloc(1));
    writeSync(writeEnd, 'z');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toBe(1);
    closeSync(readEnd);
    closeSync(writeEnd);
  });
});

describe('a process with a poll watcher', () => {
  const script = (end: string) => `
    import { PollWatcher } from '${new URL('../../src/posix/poll-watcher.ts', import.meta.url).pathname}';
    const watcher = new PollWatcher();
    watcher.watch(0, 0, () => undefined);
    setTimeout(() => { ${end} }, 20);`;

  it.each(['watcher.close()', 'process.exit(0)'])('ends at once after %s', async (end) => {
    const { build } = await import('esbuild');
    const result = await build({
      stdin: { contents: script(end), resolveDir: import.meta.dirname, loader: 'ts' },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      packages: 'external',
    });
    // Its stdin stays open: only the end itself lets it go.
    const child = execFile(process.execPath, ['--input-type=module', '-e', result.outputFiles[0]!.text]);
    child.stderr!.pipe(process.stderr);
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    child.stdin!.end();
  });
});
