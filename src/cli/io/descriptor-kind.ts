import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';

export type DescriptorKind = 'pipe' | 'socket' | 'terminal' | 'file';

/** What a descriptor is; devices that are no terminal count as files. */
export function findDescriptorKind(fd: number): DescriptorKind {
  const stat = fstatSync(fd);
  if (stat.isFIFO()) return 'pipe';
  if (stat.isSocket()) return 'socket';
  return stat.isCharacterDevice() && isatty(fd) ? 'terminal' : 'file';
}
