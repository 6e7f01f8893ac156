import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A runtime that makes no sandbox while `hold`, a fifo, is there, until something is written to that, once. */
export async function makeHeldRuntime(directory: string) {
  const [path, hold] = [join(directory, 'runtime'), join(directory, 'hold')];
  const wait = `touch $0.held; read -r _ < ${hold}; rm ${hold}`;
  const onRun = `*" run "*) if [ -p ${hold} ]; then ${wait}; fi`;
  await writeFile(path, `#!/bin/sh\ncase "$*" in ${onRun} ;; esac\nexec crun "$@"\n`, { mode: 0o755 });
  return { path, hold, isHeld: () => existsSync(`${path}.held`) };
}
