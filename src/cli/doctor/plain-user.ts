import type { PlainUserFacts } from './facts.ts';
import type { Finding } from './findings.ts';

/** Of a container that a plain user's sandboxes are to be nested in. */
const CONTAINER_ADVICE =
  'docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined';

/** What a plain user has to know: whether there can be sandboxes, and which users in them. */
export function checkPlainUser(uid: number, facts: PlainUserFacts): Finding[] {
  return [checkNamespaces(uid, facts), ...checkSubordinateIds(facts)];
}

/** What to type about namespaces that are refused, or that sandboxes fail in; undefined where nothing is known. */
export function adviseNamespaces(facts: PlainUserFacts): string | undefined {
  if (facts.limit === 0) return 'sudo sysctl -w user.max_user_namespaces=15000';
  if (facts.isCloneForbidden) return 'sudo sysctl -w kernel.unprivileged_userns_clone=1';
  if (facts.isContainer || facts.isFiltered)
    return `${CONTAINER_ADVICE}   # where this is a container itself`;
  if (facts.isRestrictedByAppArmor) return 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  return undefined;
}

function checkNamespaces(uid: number, facts: PlainUserFacts): Finding {
  const subject = 'user';
  if (facts.refusal === undefined) return { level: 'ok', subject, text: `uid ${uid}, without privileges` };
  const text = `uid ${uid}: ${facts.refusal}; ${explain(facts)}`;
  return { level: 'problem', subject, text, advice: adviseNamespaces(facts) ?? 'sudo sbx doctor' };
}

function explain(facts: PlainUserFacts): string {
  if (facts.limit === 0) return 'user.max_user_namespaces is 0';
  if (facts.isCloneForbidden) return 'kernel.unprivileged_userns_clone is 0';
  if (facts.isContainer) return 'this is a container, whose seccomp filter or profile may forbid it';
  if (facts.isFiltered) return 'a seccomp filter is in force, and may forbid it';
  if (facts.isRestrictedByAppArmor) return 'AppArmor restricts it for plain users';
  return 'no setting that is known forbids it';
}

function checkSubordinateIds(facts: PlainUserFacts): Finding[] {
  const subject = 'users inside';
  if (facts.refusal !== undefined || facts.ids === 0) return [];
  if (facts.ids > 1) return [{ level: 'ok', subject, text: `root and ${facts.ids - 1} others` }];
  const text = 'root only: there are no subordinate ids for others';
  if (facts.hasMappers && facts.hasSubordinateIds) {
    const why = facts.hasNoNewPrivileges ? 'this process may gain no privileges (no_new_privs)' : 'it failed';
    return [{ level: 'note', subject, text: `root only: newuidmap cannot map the others, ${why}` }];
  }
  return [{ level: 'note', subject, text, advice: adviseSubordinateIds(facts) }];
}

function adviseSubordinateIds({ hasMappers, hasSubordinateIds, name }: PlainUserFacts): string {
  const steps = [];
  if (!hasMappers) steps.push('sudo apt-get install uidmap');
  if (!hasSubordinateIds)
    steps.push(`sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`);
  return steps.join(' && ');
}
