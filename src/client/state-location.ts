import { join } from 'node:path';

export interface StateLocationOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  /** Of the user, as the system knows it: HOME may be unset or another's. */
  readonly home: string;
}

/** Where the state of this user lies: the same for a login, cron, sudo and CI, which differ in XDG_RUNTIME_DIR. */
export function findStateDir({ env, uid, home }: StateLocationOptions): string {
  if (env['SBX_STATE_DIR']) return env['SBX_STATE_DIR'];
  if (uid === 0) return '/var/lib/sbx';
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || home, '.local', 'state'), 'sbx');
}
