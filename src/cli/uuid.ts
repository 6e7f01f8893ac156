import { readFileSync } from 'node:fs';

/** The kernel's random UUID: node:crypto would cost each command 2 ms of loading. */
export function makeUuid(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim();
}
