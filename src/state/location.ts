import { isAbsolute, join } from 'node:path';
import { SbxError } from '../protocol/errors.ts';

export interface StateLocationOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  /** Of the user, as the system knows it: HOME may be unset or another's. */
  readonly home: string;
}

/**
 * Where the state of this user lies: the same for a login, cron, sudo and CI, which differ in XDG_RUNTIME_DIR.
 * @throws SbxError `state_dir_unusable` for a path that depends on where one stands
 */
export function findStateDir({ env, uid, home }: StateLocationOptions): string {
  if (env['SBX_STATE_DIR']) return requireAbsolute(env['SBX_STATE_DIR']);
  if (uid === 0) return '/var/lib/sbx';
  return requireAbsolute(join(env['XDG_STATE_HOME'] || join(env['HOME'] || home, '.local', 'state'), 'sbx'));
}

/** @throws SbxError `state_dir_unusable` */
export function requireAbsolute(path: string): string {
  if (isAbsolute(path)) return path;
  throw new SbxError('state_dir_unusable', `The state directory "${path}" is not an absolute path`);
}
