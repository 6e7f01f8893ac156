import { describe, expect, it } from 'vitest';
import { findCgroupFacts } from '../../src/cli/doctor/cgroups.ts';
import type { HostFacts, RuntimeFacts } from '../../src/cli/doctor/facts.ts';
import { diagnose } from '../../src/cli/doctor/findings.ts';

const CRUN: RuntimeFacts = {
  name: 'crun',
  path: '/usr/bin/crun',
  version: '1.8',
  works: true,
  reason: undefined,
  userNamespace: true,
};
const WELL: HostFacts = {
  uid: 0,
  nodeVersion: 'v20.19.0',
  ownVersion: '1.0.0',
  runtimes: [CRUN],
  init: '/usr/bin/tini-static',
  sleep: '/usr/bin/sleep',
  cgroups: { layout: '2', limits: ['pids'], isWritable: true },
  daemon: { state: 'absent' },
  stateDir: { path: '/var/lib/sbx', problem: undefined, advice: undefined, exists: true, freeBytes: 2 ** 30 },
};
const failing = (reason: string): RuntimeFacts => ({ ...CRUN, works: false, reason, userNamespace: false });

describe('diagnose', () => {
  it('finds nothing wrong where all is well', () => {
    const { findings, canRun, runtime } = diagnose(WELL);
    expect({ canRun, runtime }).toEqual({ canRun: true, runtime: 'crun' });
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  it.each([
    { what: 'an old Node', facts: { nodeVersion: 'v20.18.3' }, subject: 'Node' },
    { what: 'no sleep', facts: { sleep: undefined }, subject: 'sleep' },
    { what: 'no runtime that works', facts: { runtimes: [failing('no')] }, subject: 'runtime' },
    { what: 'a daemon that is stuck', facts: { daemon: { state: 'silent', pid: 7 } }, subject: 'daemon' },
  ] as const)('calls $what a problem, with what to type', ({ facts, subject }) => {
    const { findings, canRun } = diagnose({ ...WELL, ...facts });
    expect(canRun).toBe(false);
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([
      expect.objectContaining({ subject, advice: expect.any(String) }),
    ]);
  });

  it.each([
    { what: 'a second runtime that does not work', facts: { runtimes: [CRUN, failing('no')] } },
    { what: 'no user namespace', facts: { runtimes: [{ ...CRUN, userNamespace: false }] } },
    { what: 'no cgroups', facts: { cgroups: { layout: 'none', limits: [], isWritable: false } } },
    { what: 'read-only cgroups', facts: { cgroups: { layout: '2', limits: ['pids'], isWritable: false } } },
    {
      what: 'a daemon of another version',
      facts: { daemon: { state: 'running', pid: 7, version: '0.9.0', runtime: 'crun' } },
    },
  ] as const)('calls $what worth a note, no more', ({ facts }) => {
    const { findings, canRun } = diagnose({ ...WELL, ...facts });
    expect(canRun).toBe(true);
    expect(findings.filter(({ level }) => level === 'note')).toHaveLength(1);
  });

  it.each([
    { reason: 'mount overlay: Invalid argument', advice: 'SBX_STATE_DIR' },
    { reason: 'cgroups in hybrid mode not supported', advice: 'sbx setup' },
    { reason: 'unshare: Operation not permitted', advice: 'docker run --privileged' },
  ])('knows what to do about "$reason"', ({ reason, advice }) => {
    const { findings } = diagnose({ ...WELL, runtimes: [failing(reason)] });
    expect(findings.find(({ subject }) => subject === 'runtime')?.advice).toContain(advice);
  });
});

describe('findCgroupFacts', () => {
  it.each([
    { layout: 'none', table: 'proc /proc proc rw 0 0\n', limits: [] },
    { layout: '1', table: 'cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n', limits: ['pids'] },
    {
      layout: 'hybrid',
      table: 'cgroup /a/x cgroup rw,cpuacct,cpu 0 0\ncgroup2 /a/unified cgroup2 rw 0 0\n',
      limits: ['cpu'],
    },
    { layout: '2', table: 'cgroup2 /nowhere cgroup2 rw 0 0\n', limits: [] },
  ])('reads a layout of version $layout', ({ layout, table, limits }) => {
    expect(findCgroupFacts(table)).toMatchObject({ layout, limits });
  });
});
