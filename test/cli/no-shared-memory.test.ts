import { expect, it } from 'vitest';
import { openHome } from '../support/home.ts';
import { runShell } from '../support/shell.ts';

/** A mount namespace in which /dev has the devices that every machine has, and nothing else. */
const BARE_DEV = `
  mount -t tmpfs tmpfs /dev
  for name in null zero full random urandom tty; do
    touch /dev/$name && mount --bind /proc/self/fd/9/$name /dev/$name
  done
  ln -s /proc/self/fd /dev/fd`;

it('a machine without /dev/shm runs commands, which have one of their own', async () => {
  const home = await openHome();
  const command = 'sbx exec -- sh -c "echo inside >/dev/shm/file && cat /dev/shm/file"';
  const script = `exec 9</dev; unshare -m bash -c '${BARE_DEV}; ls /dev/shm; ${command}; sbx daemon stop'`;
  const { stdout, stderr, exitCode } = await runShell(home, script);
  expect({ stdout, exitCode }).toMatchObject({ stdout: expect.stringContaining('inside\n'), exitCode: 0 });
  expect(stderr).toBe("ls: cannot access '/dev/shm': No such file or directory\n");
  await home.close();
});
