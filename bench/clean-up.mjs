import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('clean-up.sh', import.meta.url));

/** A process that outlives us, however we end, and then undoes what was announced to it, the last first. */
export function openCleanUp() {
  const child = spawn('/bin/sh', [script], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  return {
    /** @param {string} command one line of shell; announced before what it undoes is done */
    announce(command) {
      child.stdin.write(`${command}\n`);
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

/** @param {string[]} argv */
export function toShell(argv) {
  return argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}
