/**
 * What a sandbox sees of this machine's `/etc`: how programs find libraries, names, certificates, time zones and
 * terminals. Nothing that holds a secret or says who uses this machine; a file that not everybody may read is left
 * out wherever it lies.
 */
export const ETC_ALLOW_LIST: readonly string[] = [
  'alternatives',
  'bash.bashrc',
  'bindresvport.blacklist',
  'ca-certificates',
  'ca-certificates.conf',
  'crypto-policies',
  'debian_version',
  'default/locale',
  'ethertypes',
  'fonts',
  'gai.conf',
  'host.conf',
  'inputrc',
  'issue',
  'java-*',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'libnl-3',
  'locale.alias',
  'locale.conf',
  'localtime',
  'login.defs',
  'lsb-release',
  'magic',
  'magic.mime',
  'mailcap',
  'maven/logging',
  'maven/m2.conf',
  'mime.types',
  'netconfig',
  'networks',
  'nsswitch.conf',
  'os-release',
  'perl',
  'pki/ca-trust/extracted',
  'pki/tls/cert.pem',
  'pki/tls/certs',
  'pki/tls/openssl.cnf',
  'profile',
  'protocols',
  'python3*',
  'rpc',
  'services',
  'sgml',
  'shells',
  'skel',
  'ssl/cert.pem',
  'ssl/certs',
  'ssl/openssl.cnf',
  'system-release',
  'terminfo',
  'timezone',
  'vim',
  'xattr.conf',
  'xml',
];

/** Of this machine's network, for a sandbox that shares it. */
export const ETC_HOST_NETWORK: readonly string[] = ['resolv.conf'];

/** Written anew, never copied. */
export const ETC_WRITTEN: readonly string[] = ['group', 'hostname', 'hosts', 'mtab', 'passwd'];

/** The users and groups that programs expect to be there, as Debian numbers them; nobody of this machine. */
export const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;

export const GROUP = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
man:x:12:
mail:x:8:
shadow:x:42:
staff:x:50:
users:x:100:
www-data:x:33:
utmp:x:43:
nogroup:x:65534:
`;
