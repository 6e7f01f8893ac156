import { readdirSync, readFileSync } from 'node:fs';

/** Pids of the daemons of a state directory, as the process table has them. */
export function findDaemons(stateDir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return words.includes('serve') && words.includes(stateDir);
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
}

/** The listening socket of this path, and the server's ends of its connections. */
export function countSockets(path: string): number {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return lines.filter((line) => line.includes(path)).length;
}
