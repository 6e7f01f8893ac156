import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupFacts } from './facts.ts';

const WANTED = ['pids', 'memory', 'cpu'];

interface CgroupMount {
  readonly directory: string;
  readonly version: '1' | '2';
  readonly options: readonly string[];
}

/** Which limits the cgroups of this machine can put on a sandbox. */
export function findCgroupFacts(mountTable = readFileSync('/proc/self/mounts', 'utf8')): CgroupFacts {
  const mounts = parseCgroupMounts(mountTable);
  const first = mounts.filter(({ version }) => version === '1');
  const second = mounts.find(({ version }) => version === '2');
  if (first.length > 0) {
    const own = first.filter(({ options }) => WANTED.some((name) => options.includes(name)));
    return {
      layout: second === undefined ? '1' : 'hybrid',
      limits: WANTED.filter((name) => own.some(({ options }) => options.includes(name))),
      isWritable: own.every(({ directory }) => isWritable(directory)),
    };
  }
  if (second === undefined) return { layout: 'none', limits: [], isWritable: false };
  const controllers = readControllers(second.directory);
  return {
    layout: '2',
    limits: WANTED.filter((name) => controllers.includes(name)),
    isWritable: isWritable(second.directory),
  };
}

/** Lines of proc(5) `mounts`: source, directory, type, options. */
function parseCgroupMounts(table: string): CgroupMount[] {
  return table.split('\n').flatMap((line) => {
    const [, directory = '', type, options = ''] = line.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    return [{ directory, version: type === 'cgroup' ? '1' : '2', options: options.split(',') } as const];
  });
}

function readControllers(directory: string): string[] {
  try {
    return readFileSync(join(directory, 'cgroup.controllers'), 'utf8').trim().split(' ');
  } catch {
    return [];
  }
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
