import { describe, expect, it } from 'vitest';
import { parseSshArgv, type SshInvocation } from '../../src/cli/rsh/ssh-argv.ts';

const PLAIN: SshInvocation = {
  isProbe: false,
  host: 'web',
  user: undefined,
  hasStdin: true,
  sendEnv: [],
  setEnv: {},
  words: ['ls'],
};

const parse = (line: string): unknown => parseSshArgv(line === '' ? [] : line.split(' '));

describe('the words of sbx rsh', () => {
  it.each<[string, Partial<SshInvocation>]>([
    ['web ls', {}],
    ['web ls -la /', { words: ['ls', '-la', '/'] }],
    ['root@web ls', { user: 'root' }],
    ['a@b@web ls', { user: 'a@b' }],
    ['-l root web ls', { user: 'root' }],
    ['-lroot web ls', { user: 'root' }],
    // As in ssh the first user counts, wherever it stands.
    ['-l root nobody@web ls', { user: 'root' }],
    ['nobody@web -l root ls', { user: 'nobody' }],
    ['-o User=root -l nobody web ls', { user: 'root' }],
    // Options may follow the sandbox, up to the first word.
    ['web -l root ls -l', { user: 'root', words: ['ls', '-l'] }],
    ['web -T -x ls', {}],
    ['-- web ls', {}],
    ['-- web -x', { words: ['-x'] }],
    ['web -- -x', { words: ['-x'] }],
    ['web -- -- x', { words: ['--', 'x'] }],
    ['web ls -- -x', { words: ['ls', '--', '-x'] }],
    ['web', { words: [] }],
    ['web - x', { words: ['-', 'x'] }],
    // What means nothing here.
    ['-p 22 web ls', {}],
    ['-p22 web ls', {}],
    ['-Tx web ls', {}],
    ['-4Tqp 22 web ls', {}],
    ['-Tp22 web ls', {}],
    ['-vvv -C -a -k -x -y -g -M -1 -2 -4 -6 -q web ls', {}],
    ['-i key -F none -c aes -m mac -b 127.0.0.1 -B lo -e none -E log -S none -I lib -P tag web ls', {}],
    ['-o BatchMode=yes -oStrictHostKeyChecking=no -o Port=22 web ls', {}],
    ['-o ControlMaster=auto -o ControlPath=/tmp/%C web ls', {}],
    ['-o ForwardAgent=no -o RequestTTY=no -o ProxyCommand=none -o sessiontype=default web ls', {}],
    // What means something.
    ['-n web ls', { hasStdin: false }],
    ['-Tnx web ls', { hasStdin: false }],
    ['-o StdinNull=yes web ls', { hasStdin: false }],
    ['-o StdinNull=no web ls', {}],
    ['-G web', { isProbe: true, words: [] }],
    ['-G -o SendEnv=GIT_PROTOCOL u@web', { isProbe: true, user: 'u', sendEnv: ['GIT_PROTOCOL'], words: [] }],
    ['-o SendEnv=A web ls', { sendEnv: ['A'] }],
    ['-oSendEnv=A web ls', { sendEnv: ['A'] }],
    ['-ToSendEnv=A web ls', { sendEnv: ['A'] }],
    ['-o sendenv=A -o SENDENV=B_* web ls', { sendEnv: ['A', 'B_*'] }],
    ['-o SendEnv=A -o SendEnv=B -o SendEnv=-A web ls', { sendEnv: ['B'] }],
    ['-o SetEnv=A=b=c web ls', { setEnv: { A: 'b=c' } }],
    ['-o SetEnv=A=1 -o SetEnv=A=2 -o SetEnv=B= web ls', { setEnv: { A: '1', B: '' } }],
    ['-o SetEnv=__proto__=1 web ls', { setEnv: Object.fromEntries([['__proto__', '1']]) }],
  ])('%j', (line, parts) => {
    expect(parse(line)).toEqual({ ...PLAIN, ...parts });
  });

  it.each<[string, string[], Partial<SshInvocation>]>([
    ['a space between name and value', ['-o', 'SendEnv A'], { sendEnv: ['A'] }],
    ['spaces around =', ['-o', ' SendEnv = A '], { sendEnv: ['A'] }],
    ['several names', ['-o', 'SendEnv A  B\tC'], { sendEnv: ['A', 'B', 'C'] }],
    ['several assignments', ['-o', 'SetEnv A=1 B=2'], { setEnv: { A: '1', B: '2' } }],
    ['quotes', ['-o', 'SetEnv="A=b c"'], { setEnv: { A: 'b c' } }],
    ['quotes around a value', ['-o', 'SetEnv A="b c" B=d'], { setEnv: { A: 'b c', B: 'd' } }],
    ['a cluster', ['-ToSendEnv A'], { sendEnv: ['A'] }],
  ])('take %s in -o', (_what, args, parts) => {
    expect(parseSshArgv([...args, 'web', 'ls'])).toEqual({ ...PLAIN, ...parts });
  });

  it('are kept as they are, also empty ones and those with spaces', () => {
    const words = ['a b', '', ' ', "it's", '$HOME', '-G'];
    expect(parseSshArgv(['web', ...words])).toEqual({ ...PLAIN, words });
  });
});

describe('what ssh would do and a sandbox cannot', () => {
  it.each([
    ...['A', 'f', 'K', 'N', 's', 't', 'V', 'X', 'Y'].map((letter) => [`-${letter} web ls`, `-${letter}`]),
    ...['D', 'J', 'L', 'O', 'Q', 'R', 'w', 'W'].map((letter) => [`-${letter} value web ls`, `-${letter}`]),
    ['-L8080:localhost:80 web ls', '-L'],
    ['-Tt web ls', '-t'],
    ['-tt web ls', '-t'],
    ['web -t ls', '-t'],
    ['-o LocalForward=8080 web ls', 'LocalForward=8080'],
    ['-o requesttty=force web ls', 'requesttty=force'],
    ['-o ProxyJump=host web ls', 'ProxyJump=host'],
    ['-o ForwardAgent=yes web ls', 'ForwardAgent=yes'],
    ['-o RemoteCommand=ls web', 'RemoteCommand=ls'],
    ['-o HostName=other web ls', 'HostName=other'],
    ['-o SessionType=none web ls', 'SessionType=none'],
    ['-G -L 1:b:2 web', '-L'],
  ])('is refused by name: %j', (line, named) => {
    expect(() => parse(line)).toThrow(new RegExp(`^Cannot honour .*${named}\\b`));
  });
});

describe('what is no form of ssh', () => {
  it.each([
    ['', 'No sandbox is named'],
    ['-T', 'No sandbox is named'],
    ['-Z web ls', 'There is no option -Z'],
    ['-TZ web ls', 'There is no option -Z in -TZ'],
    ['--stream web ls', 'There is no option --stream'],
    ['-l', '-l needs a value'],
    ['-Tl', '-l needs a value'],
    ['-p', '-p needs a value'],
    ['@web ls', '"@web" names no user'],
    ['root@ ls', '"root@" names no sandbox'],
    ['-o -- web ls', '"--"'],
    ['-o SendEvn=A web ls', '"SendEvn"'],
    ['-o SendEnv web ls', '"SendEnv" has no value'],
    ['-o SendEnv= web ls', '"SendEnv=" has no value'],
    ['-o SetEnv=A web ls', '"A"'],
    ['-o StdinNull=maybe web ls', '"maybe"'],
  ])('is refused: %j', (line, words) => {
    expect(() => parse(line)).toThrow(words);
  });
});
