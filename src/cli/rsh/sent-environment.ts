import { requireUtf8Variable } from '../options/text-bytes.ts';
import { matchesPattern } from './name-pattern.ts';
import type { SshInvocation } from './ssh-argv.ts';

type CallerEnv = Readonly<Record<string, string | undefined>>;

/**
 * What `SendEnv` and `SetEnv` pass. A variable that is not set is passed over, as ssh does; of both, `SetEnv` counts.
 * @throws SbxError `invalid_text`
 */
export function toSentEnvironment(
  { sendEnv, setEnv }: Pick<SshInvocation, 'sendEnv' | 'setEnv'>,
  caller: CallerEnv,
): Record<string, string> {
  const sent = Object.entries(caller).filter((entry): entry is [string, string] => {
    const [name, value] = entry;
    return value !== undefined && sendEnv.some((pattern) => matchesPattern(name, pattern));
  });
  for (const [name, value] of sent) requireUtf8Variable(name, value);
  return Object.fromEntries([...sent, ...Object.entries(setEnv)]);
}
