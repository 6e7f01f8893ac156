import { SbxError } from '../../protocol/errors.ts';
import { matchesPattern } from './name-pattern.ts';

/** What `-o` can say that means something here. */
export interface SshSettings {
  user: string | undefined;
  hasStdin: boolean;
  sendEnv: string[];
  setEnv: Record<string, string>;
}

/** Names of ssh_config(5) that decide how a connection is made and checked, and there is none. In lower case. */
const MEANINGLESS = new Set(
  `addkeystoagent addressfamily batchmode bindaddress bindinterface canonicaldomains canonicalizefallbacklocal
  canonicalizehostname canonicalizemaxdots canonicalizepermittedcnames casignaturealgorithms certificatefile
  challengeresponseauthentication channeltimeout checkhostip cipher ciphers clearallforwardings compression
  compressionlevel connectionattempts connecttimeout controlmaster controlpath controlpersist
  enableescapecommandline enablesshkeysign escapechar exitonforwardfailure fingerprinthash forwardx11timeout
  forwardx11trusted gatewayports globalknownhostsfile gssapiauthentication gssapiclientidentity
  gssapikexalgorithms gssapikeyexchange gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns
  hashknownhosts hostbasedacceptedalgorithms hostbasedauthentication hostbasedkeytypes hostkeyalgorithms
  hostkeyalias identitiesonly identityagent identityfile ignoreunknown ipqos kbdinteractiveauthentication
  kbdinteractivedevices keepalive kexalgorithms knownhostscommand localcommand loglevel logverbose macs
  nohostauthenticationforlocalhost numberofpasswordprompts obscurekeystroketiming passwordauthentication
  permitremoteopen pkcs11provider port preferredauthentications protocol proxyusefdpass
  pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication refuseconnection rekeylimit
  requiredrsasize revokedhostkeys rsaauthentication securitykeyprovider serveralivecountmax
  serveraliveinterval streamlocalbindmask streamlocalbindunlink stricthostkeychecking syslogfacility tag
  tcpkeepalive tunneldevice updatehostkeys useprivilegedport userknownhostsfile verifyhostkeydns versionaddendum
  visualhostkey warnweakcrypto xauthlocation`.split(/\s+/),
);

/** Names that ask for what a sandbox does not have, with the values that do not ask for it. In lower case. */
const REFUSED = new Map<string, readonly string[]>([
  ['dynamicforward', []],
  ['forkafterauthentication', ['no']],
  ['forwardagent', ['no']],
  ['forwardx11', ['no']],
  ['gssapidelegatecredentials', ['no']],
  ['hostname', []],
  ['localforward', []],
  ['permitlocalcommand', ['no']],
  ['proxycommand', ['none']],
  ['proxyjump', ['none']],
  ['remotecommand', ['none']],
  ['remoteforward', []],
  ['requesttty', ['no', 'auto']],
  ['sessiontype', ['default']],
  ['tunnel', ['no']],
]);

/**
 * Takes one `-o NAME=VALUE`, also written `NAME VALUE`, into `settings`.
 * @throws SbxError `usage`
 */
export function parseSetting(text: string, settings: SshSettings): void {
  const [, name = '', value = ''] = /^\s*([^\s=]*)(?:\s*=\s*|\s+|$)(.*?)\s*$/s.exec(text) ?? [];
  const key = name.toLowerCase();
  if (!isKnown(key)) throw usage(`"${name}" in -o is no setting of ssh's`);
  if (value === '') throw usage(`"${text}" has no value`);
  const harmless = REFUSED.get(key);
  if (harmless !== undefined && !harmless.includes(value.toLowerCase()))
    throw usage(`Cannot honour -o ${name}=${value}: a sandbox has nothing like it`);
  take(key, value, settings);
}

function take(key: string, value: string, settings: SshSettings): void {
  if (key === 'user') settings.user ??= value;
  else if (key === 'stdinnull') settings.hasStdin = !parseFlag(value) && settings.hasStdin;
  else if (key === 'sendenv') for (const word of splitWords(value)) sendVariable(word, settings);
  else if (key === 'setenv') for (const word of splitWords(value)) setVariable(word, settings);
}

function isKnown(key: string): boolean {
  return ['user', 'stdinnull', 'sendenv', 'setenv'].includes(key) || REFUSED.has(key) || MEANINGLESS.has(key);
}

/** `-NAME` takes back what was named before. */
function sendVariable(word: string, settings: SshSettings): void {
  if (word.startsWith('-'))
    settings.sendEnv = settings.sendEnv.filter((name) => !matchesPattern(name, word.slice(1)));
  else settings.sendEnv.push(word);
}

/** As everywhere in ssh the first value counts. */
function setVariable(word: string, settings: SshSettings): void {
  const equals = word.indexOf('=');
  if (equals < 1) throw usage(`"${word}" is no variable for SetEnv`, 'Use: -o SetEnv=NAME=VALUE');
  const name = word.slice(0, equals);
  if (Object.hasOwn(settings.setEnv, name)) return;
  // An assignment would lose a variable named __proto__.
  settings.setEnv = Object.fromEntries([...Object.entries(settings.setEnv), [name, word.slice(equals + 1)]]);
}

function parseFlag(value: string): boolean {
  if (/^(yes|true)$/i.test(value)) return true;
  if (/^(no|false)$/i.test(value)) return false;
  throw usage(`"${value}" is neither yes nor no`);
}

/** Words as ssh takes them from a line of its configuration: spaces divide them, double quotes keep them together. */
function splitWords(text: string): string[] {
  const words = text.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  return words.map((word) => word.replaceAll('"', ''));
}

function usage(message: string, hint = 'See: sbx rsh --help'): SbxError {
  return new SbxError('usage', message, { hint });
}
