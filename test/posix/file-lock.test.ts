import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireFileLock } from '../../src/posix/file-lock.ts';

describe('a file lock', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sbx-lock-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('has one holder at a time', () => {
    const path = join(directory, 'lock');
    const lock = acquireFileLock(path);
    expect(acquireFileLock(path)).toBeUndefined();
    lock!.release();
    const next = acquireFileLock(path);
    expect(next).toBeDefined();
    next!.release();
  });

  it('is free when its holder is killed', async () => {
    const path = join(directory, 'lock');
    const holder = spawn('flock', [path, 'sh', '-c', 'echo held; exec sleep 60'], { detached: true });
    await once(holder.stdout, 'data');
    expect(acquireFileLock(path)).toBeUndefined();
    process.kill(-holder.pid!, 'SIGKILL');
    await once(holder, 'close');
    const lock = acquireFileLock(path);
    expect(lock).toBeDefined();
    lock!.release();
  });

  it('is not held on by a child', async () => {
    const path = join(directory, 'lock');
    const lock = acquireFileLock(path);
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    lock!.release();
    const next = acquireFileLock(path);
    expect(next).toBeDefined();
    next!.release();
    child.kill();
  });
});
