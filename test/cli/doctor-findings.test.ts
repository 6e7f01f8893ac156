import { describe, expect, it } from 'vitest';
import { findCgroupFacts } from '../../src/cli/doctor/cgroups.ts';
import type { HostFacts, PlainUserFacts, RuntimeFacts } from '../../src/cli/doctor/facts.ts';
import { diagnose } from '../../src/cli/doctor/findings.ts';

const CRUN: RuntimeFacts = {
  name: 'crun',
  path: '/usr/bin/crun',
  version: '1.8',
  works: true,
  reason: undefined,
  userNamespace: true,
  inCgroup: true,
};
const WELL: HostFacts = {
  uid: 0,
  plainUser: undefined,
  nodeVersion: 'v20.19.0',
  ownVersion: '1.0.0',
  runtimes: [CRUN],
  init: '/usr/bin/tini-static',
  sleep: '/usr/bin/sleep',
  cgroups: { layout: '2', limits: ['pids'], isWritable: true },
  daemon: { state: 'absent' },
  stateDir: {
    path: '/var/lib/sbx',
    problem: undefined,
    advice: undefined,
    exists: true,
    isOnOverlay: false,
    freeBytes: 2 ** 30,
  },
};
const ANN: PlainUserFacts = {
  name: 'ann',
  refusal: undefined,
  ids: 65537,
  limit: 15000,
  isCloneForbidden: false,
  isRestrictedByAppArmor: false,
  isFiltered: false,
  hasNoNewPrivileges: false,
  isContainer: false,
  hasMappers: true,
  hasSubordinateIds: true,
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

describe('diagnose for a plain user', () => {
  const diagnoseUser = (plainUser: Partial<PlainUserFacts>, facts: Partial<HostFacts> = {}) =>
    diagnose({ ...WELL, uid: 1000, ...facts, plainUser: { ...ANN, ...plainUser } });

  it('finds nothing wrong where all is well', () => {
    const { findings, canRun } = diagnoseUser({});
    expect(canRun).toBe(true);
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  it.each<{ what: string; facts: Partial<PlainUserFacts>; advice: string }>([
    { what: 'no user namespaces at all', facts: { limit: 0 }, advice: 'sysctl -w user.max_user_namespaces=' },
    {
      what: 'none for plain users',
      facts: { isCloneForbidden: true },
      advice: 'sysctl -w kernel.unprivileged_userns_clone=1',
    },
    {
      what: "AppArmor's rule",
      facts: { isRestrictedByAppArmor: true },
      advice: 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    },
    { what: 'a seccomp filter', facts: { isFiltered: true }, advice: '--security-opt seccomp=unconfined' },
    { what: 'a container', facts: { isContainer: true }, advice: '--security-opt systempaths=unconfined' },
    { what: 'nothing that is known', facts: {}, advice: 'sudo sbx doctor' },
  ])('knows what to type where namespaces are refused by $what', ({ facts, advice }) => {
    const refusal = 'Operation not permitted';
    const { findings, canRun } = diagnoseUser(
      { refusal, ids: 0, ...facts },
      { runtimes: [failing('not tried')] },
    );
    expect(canRun).toBe(false);
    const finding = findings.find(({ subject }) => subject === 'user');
    expect(finding).toMatchObject({ level: 'problem', text: expect.stringContaining(refusal) as string });
    expect(finding?.advice).toContain(advice);
  });

  it('gives the same advice where sandboxes fail in a namespace that was allowed', () => {
    const runtimes = [failing('mount proc: Operation not permitted')];
    const { findings } = diagnoseUser({ isRestrictedByAppArmor: true }, { runtimes });
    expect(findings.find(({ subject }) => subject === 'runtime')?.advice).toContain('apparmor_restrict');
  });

  it.each<{ what: string; facts: Partial<PlainUserFacts>; advice: string | undefined }>([
    {
      what: 'no subordinate ids',
      facts: { hasSubordinateIds: false },
      advice: 'sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann',
    },
    { what: 'no newuidmap', facts: { hasMappers: false }, advice: 'sudo apt-get install uidmap' },
    { what: 'privileges that cannot be gained', facts: { hasNoNewPrivileges: true }, advice: undefined },
  ])('notes that $what leaves root alone inside', ({ facts, advice }) => {
    const { findings, canRun } = diagnoseUser({ ids: 1, ...facts });
    expect(canRun).toBe(true);
    expect(findings.find(({ subject }) => subject === 'users inside')).toMatchObject({
      level: 'note',
      text: expect.stringContaining('root only') as string,
      ...(advice !== undefined && { advice }),
    });
  });

  it('notes that nothing is limited where no cgroup is delegated', () => {
    const { findings, canRun } = diagnoseUser({}, { runtimes: [{ ...CRUN, inCgroup: false }] });
    expect(canRun).toBe(true);
    expect(findings.find(({ subject }) => subject === 'cgroup limits')).toMatchObject({
      level: 'note',
      text: expect.stringContaining('delegated') as string,
      advice: expect.stringContaining('Delegate=yes') as string,
    });
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
