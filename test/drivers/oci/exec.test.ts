import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProcessStat } from '../../../src/posix/process-stat.ts';
import { waitUntil } from '../../support/guests.ts';
import { gather, listChildren, openTestBed, RUNTIMES, waitForOutput, type TestBed } from './sandboxed.ts';

describe.each(RUNTIMES)('a command under %s', (runtime) => {
  let bed: TestBed;
  let web: string;
  beforeAll(async () => {
    bed = await openTestBed(runtime);
    web = await bed.createSandbox();
  });
  afterAll(() => bed.close());
  const sh = (script: string, more = {}) => bed.run(web, ['sh', '-c', script], more);

  describe('ends', () => {
    it.each([0, 1, 42, 125, 137, 255])('with its own exit code %i', async (code) => {
      expect((await sh(`exit ${code}`)).exit).toEqual({ code });
    });

    it.each(['KILL', 'TERM', 'SEGV'])('with the signal %s that it died of', async (signal) => {
      expect((await sh(`kill -${signal} $$`)).exit).toEqual({ signal });
    });

    it('and what it started in the background lives on', async () => {
      const { exit } = await sh('(while :; do date > /tmp/beat; sleep 0.05; done) > /dev/null 2>&1 &');
      expect(exit).toEqual({ code: 0 });
      expect((await sh('rm -f /tmp/beat; until [ -e /tmp/beat ]; do sleep 0.05; done')).exit).toEqual({
        code: 0,
      });
    });

    it('while a background process holds its stdout, which is then read on', async () => {
      const script = '(while kill -0 $$ 2>/dev/null; do sleep 0.01; done; echo late) & echo early';
      const exec = await bed.start(web, ['sh', '-c', script]);
      const output = gather(exec.stdout);
      void gather(exec.stderr);
      expect(await exec.ended).toEqual({ code: 0 });
      expect((await output).toString()).toBe('early\nlate\n');
    });
  });

  describe('has real pipes', () => {
    it('that it can open again by name', async () => {
      const { stdout, stderr } = await sh('echo out > /dev/stdout; echo err > /dev/stderr');
      expect([stdout, stderr]).toEqual(['out\n', 'err\n']);
      expect((await bed.run(web, ['cat', '/dev/stdin'], { input: Buffer.from('in') })).stdout).toBe('in');
    });

    it('and no terminal', async () => {
      const { stdout } = await sh(
        'for fd in 0 1 2; do test -t $fd && echo $fd; done; readlink /proc/self/fd/1',
        {
          input: Buffer.alloc(0),
        },
      );
      expect(stdout).toMatch(/^pipe:\[\d+\]\n$/);
    });

    it('and no other descriptor of ours', async () => {
      expect((await sh('ls /proc/self/fd | wc -l')).stdout.trim()).toBe('4'); // the fourth is of ls itself
    });

    it('through which 64 MiB go in and out unchanged', async () => {
      const input = randomBytes(64 * 1024 * 1024);
      const exec = await bed.start(web, ['cat'], { stdin: 'pipe' });
      const output = gather(exec.stdout);
      void gather(exec.stderr);
      for (let at = 0; at < input.length; at += 65536) {
        await new Promise<void>((resolve) => exec.stdin!.write(input.subarray(at, at + 65536), resolve));
      }
      exec.stdin!.end();
      expect(sha256(await output)).toBe(sha256(input));
      expect(await exec.ended).toEqual({ code: 0 });
    });

    it('of which a paused one holds the command back, and nothing is lost', async () => {
      const exec = await bed.start(web, ['head', '-c', '1000000', '/dev/zero']);
      void gather(exec.stderr);
      let bytes = 0;
      const whole = new Promise<void>((resolve) => {
        exec.stdout.open({
          data(chunk) {
            bytes += chunk.length;
            setTimeout(() => exec.stdout.resume(), 1);
            return false;
          },
          end: resolve,
        });
      });
      await whole;
      expect(bytes).toBe(1_000_000);
      expect(await exec.ended).toEqual({ code: 0 });
    });

    it('whose waiting bytes can be counted', async () => {
      const exec = await bed.start(web, ['echo', 'hello']);
      await exec.ended;
      expect(exec.stdout.pendingBytes()).toBe(6);
      expect((await gather(exec.stdout)).toString()).toBe('hello\n');
      expect(exec.stdout.pendingBytes()).toBe(0);
      exec.stderr.close();
    });
  });

  describe('reads', () => {
    it('EOF at once from an empty stdin', async () => {
      const { exit, stdout } = await bed.run(web, ['cat'], { input: Buffer.alloc(0) });
      expect([exit, stdout]).toEqual([{ code: 0 }, '']);
    });

    it('nothing when it has no stdin', async () => {
      expect((await sh('cat; readlink /proc/self/fd/0')).stdout).toBe('/dev/null\n');
    });

    it('as much as it wants: that it has closed its stdin is known without a write', async () => {
      const exec = await bed.start(web, ['sh', '-c', 'exec <&-; sleep 30'], { stdin: 'pipe' });
      await exec.stdin!.closed;
      exec.kill();
      expect(await exec.ended).toEqual({ signal: 'KILL' });
      exec.stdout.close();
      exec.stderr.close();
    });

    it('none of what is written to it, and ends with its own code', async () => {
      const exec = await bed.start(web, ['sh', '-c', 'exit 3'], { stdin: 'pipe' });
      const flushed = new Promise<void>((resolve) => exec.stdin!.write(Buffer.alloc(1024 * 1024), resolve));
      expect(await exec.ended).toEqual({ code: 3 });
      await flushed;
      await exec.stdin!.closed;
      exec.stdout.close();
      exec.stderr.close();
    });
  });

  describe('is ended', () => {
    it('by SIGPIPE when our end of its stdout is closed', async () => {
      const exec = await bed.start(web, ['sh', '-c', 'while :; do echo y; done']);
      void gather(exec.stderr);
      exec.stdout.close();
      expect(await exec.ended).toEqual({ signal: 'PIPE' });
    });

    it('by a signal that reaches its whole process group', async () => {
      const exec = await bed.start(web, [
        'sh',
        '-c',
        'trap "exit 7" TERM; sh -c "echo ready; exec sleep 60" & wait',
      ]);
      void gather(exec.stderr);
      await waitForOutput(exec.stdout, 'ready');
      expect(exec.signal('TERM')).toBe(true);
      expect(await exec.ended).toEqual({ code: 7 });
      expect(exec.signal('TERM')).toBe(false);
      // No event tells of the other's end.
      await waitUntil(async () => (await sh('pgrep -f "^sleep 60"')).stdout === '');
    });

    it('with its background jobs, when it is killed', async () => {
      const exec = await bed.start(web, ['bash', '-mc', 'sleep 61 & echo ready; wait']);
      void gather(exec.stderr);
      await waitForOutput(exec.stdout, 'ready');
      exec.kill();
      expect(await exec.ended).toEqual({ signal: 'KILL' });
      await waitUntil(async () => (await sh('pgrep -f "^sleep 61"')).stdout === '');
    });

    it('by the kernel for lack of memory, which is told apart', async () => {
      const limit = ['memory/sbx-ID/memory.limit_in_bytes', 'sbx-ID/memory.max']
        .map((path) => `/sys/fs/cgroup/${path.replace('ID', web)}`)
        .find(existsSync);
      if (limit !== undefined) writeFileSync(limit, String(128 * 1024 * 1024));
      const exec = await bed.start(web, [
        'python3',
        '-c',
        limit ? 'x = b"x" * 10**9' : 'import os; os.kill(0, 9)',
      ]);
      await exec.ended;
      expect(exec.wasOutOfMemory()).toBe(limit !== undefined);
      if (limit !== undefined) writeFileSync(limit, limit.endsWith('max') ? 'max' : '-1');
      const killed = await bed.start(web, ['sh', '-c', 'kill -KILL $$']);
      expect(await killed.ended).toEqual({ signal: 'KILL' });
      expect(killed.wasOutOfMemory()).toBe(false);
      for (const { stdout, stderr } of [exec, killed]) [stdout, stderr].forEach((pipe) => pipe.close());
    });

    it('by no signal of another exec', async () => {
      const other = await bed.start(web, ['sh', '-c', 'echo ready; sleep 62; exit 9']);
      void gather(other.stderr);
      await waitForOutput(other.stdout, 'ready');
      const exec = await bed.start(web, ['sleep', '63']);
      exec.kill();
      await exec.ended;
      expect(other.signal('USR2')).toBe(true);
      expect(await other.ended).toEqual({ signal: 'USR2' });
      exec.stdout.close();
      exec.stderr.close();
    });
  });

  describe('runs', () => {
    it('in an environment that holds nothing of ours', async () => {
      const { stdout } = await bed.run(web, ['env'], { env: new Map([['A', 'x=1\ny']]) });
      expect(stdout.split('\n').sort()).toEqual(
        [
          '',
          'A=x=1',
          'HOME=/root',
          'HOSTNAME=web',
          'LANG=C.UTF-8',
          'LOGNAME=root',
          'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          'SHELL=/bin/sh',
          'USER=root',
          'y',
        ].sort(),
      );
    });

    it('with its words exactly as given', async () => {
      const words = ['a b', '', '$HOME', '"', "'", '\n', 'é'];
      expect((await bed.run(web, ['printf', '<%s>', ...words])).stdout).toBe(
        words.map((w) => `<${w}>`).join(''),
      );
    });

    it('with 1 MiB of arguments', async () => {
      const words = Array.from({ length: 1024 }, () => 'x'.repeat(1023));
      expect((await bed.run(web, ['sh', '-c', 'echo $#', 'sh', ...words])).stdout).toBe('1024\n');
    });

    it('in /workspace, or where it is told', async () => {
      expect((await bed.run(web, ['pwd'])).stdout).toBe('/workspace\n');
      expect((await bed.run(web, ['pwd'], { cwd: '/usr/lib' })).stdout).toBe('/usr/lib\n');
    });

    it.each([
      ['www-data', '33 33 33', '/var/www'],
      ['1234:56', '1234 56 56', '/'],
      ['nobody:users', '65534 100 100', '/nonexistent'],
      ['0', '0 0 0', '/root'],
    ])('as user %s', async (user, ids, home) => {
      const { stdout } = await sh('echo $(id -u) $(id -g) $(id -G) $HOME', { user });
      expect(stdout).toBe(`${ids} ${home}\n`);
    });

    it('as a user that the sandbox has made itself', async () => {
      await sh('echo ann:x:700:701:Ann:/srv/ann:/bin/bash >> /etc/passwd; echo crew:x:702:ann >> /etc/group');
      const { stdout } = await sh('echo $(id -u) $(id -G) $HOME $SHELL', { user: 'ann' });
      expect(stdout).toBe('700 701 702 /srv/ann /bin/bash\n');
    });

    it('with no new privileges and few capabilities, also as root', async () => {
      const status = (await bed.run(web, ['cat', '/proc/self/status'])).stdout;
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      for (const set of ['Bnd', 'Eff', 'Prm']) expect(status).toContain(`Cap${set}:\t00000000000405fb\n`);
      expect(status).toContain('CapAmb:\t0000000000000000\n');
    });

    it('with every signal at its default', async () => {
      const status = (await bed.run(web, ['cat', '/proc/self/status'])).stdout;
      for (const set of ['Blk', 'Ign', 'Cgt']) expect(status).toContain(`Sig${set}:\t0000000000000000\n`);
    });

    it('with no capability as another user', async () => {
      const status = (await bed.run(web, ['cat', '/proc/self/status'], { user: '1000:1000' })).stdout;
      for (const set of ['Eff', 'Prm', 'Inh', 'Amb'])
        expect(status).toContain(`Cap${set}:\t0000000000000000\n`);
    });

    it('two hundred at once', async () => {
      const ends = await Promise.all(
        Array.from({ length: 200 }, (_, index) => sh(`echo ${index}; exit ${index % 7}`)),
      );
      ends.forEach(({ exit, stdout }, index) => {
        expect([exit, stdout]).toEqual([{ code: index % 7 }, `${index}\n`]);
      });
    });
  });

  it('leaves no descriptor, no file and no zombie behind', async () => {
    const before = countDescriptors();
    await sh('true', { input: Buffer.from('x') });
    await expect(bed.run(web, ['nosuch'])).rejects.toThrow();
    await waitUntil(() => countDescriptors() === before && listZombies().length === 0);
    expect(readdirSync(join(bed.stateDir, 'starting'))).toEqual([]);
  });
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Pipes of this process; other descriptors are the test runner's. */
function countDescriptors(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('pipe:');
    } catch {
      return false;
    }
  }).length;
}

function listZombies(): ProcessStat[] {
  return listChildren().filter(({ state }) => state === 'Z');
}
