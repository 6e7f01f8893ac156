import { describe, expect, it } from 'vitest';
import { parseServerAddress } from '../../src/client/server-address.ts';
import { SbxError } from '../../src/protocol/errors.ts';

const tcp = (text: string, rest: { host: string; port: number; prefix?: string }) => {
  return { kind: 'tcp', text, isTls: text.startsWith('https'), prefix: '', ...rest };
};

describe('the address of a server', () => {
  it.each([
    ['unix:///run/sbx.sock', { kind: 'unix', text: 'unix:///run/sbx.sock', path: '/run/sbx.sock' }],
    ['unix:///a b/%20?#@', { kind: 'unix', text: 'unix:///a b/%20?#@', path: '/a b/%20?#@' }],
    ['http://host:8080', tcp('http://host:8080', { host: 'host', port: 8080 })],
    ['http://host', tcp('http://host', { host: 'host', port: 80 })],
    ['HTTP://Host/', tcp('http://host', { host: 'host', port: 80 })],
    ['https://host', tcp('https://host', { host: 'host', port: 443 })],
    ['https://host:443', tcp('https://host', { host: 'host', port: 443 })],
    ['https://host:80', tcp('https://host:80', { host: 'host', port: 80 })],
    ['https://host/a/b', tcp('https://host/a/b', { host: 'host', port: 443, prefix: '/a/b' })],
    ['https://host:1/a@b/', tcp('https://host:1/a@b', { host: 'host', port: 1, prefix: '/a@b' })],
    ['http://[::1]:5', tcp('http://[::1]:5', { host: '::1', port: 5 })],
    ['https://[FE80::1]', tcp('https://[fe80::1]', { host: 'fe80::1', port: 443 })],
    ['http://127.0.0.1:65535', tcp('http://127.0.0.1:65535', { host: '127.0.0.1', port: 65535 })],
  ])('is read from %s', (text, address) => {
    expect(parseServerAddress(text)).toEqual(address);
  });

  it.each([
    ['', 'begins with none'],
    ['host', 'begins with none'],
    ['host:22', 'begins with none'],
    ['/run/sbx.sock', 'begins with none'],
    ['ftp://x', 'begins with none'],
    ['tcp://host:1', 'begins with none'],
    ['http:host', 'begins with none'],
    [' http://host', 'begins with none'],
    ['http://ho st', 'begins with none'],
    ['http://host\n', 'begins with none'],
    ['unix://relative', 'absolute path'],
    ['unix:/run/sbx.sock', 'absolute path'],
    ['unix://', 'absolute path'],
    ['unix:///', 'absolute path'],
    ['unix:///a\0b', 'absolute path'],
    [`unix:///${'x'.repeat(107)}`, '107 bytes at most'],
    ['http://', 'names no host'],
    ['http:///path', 'names no host'],
    ['http://:80', 'not valid'],
    ['http://host:0', 'not valid'],
    ['http://host:65536', 'not valid'],
    ['http://host:port', 'not valid'],
    ['http://::1', 'not valid'],
    ['http://[::1', 'not valid'],
    ['http://a%b', 'not valid'],
    ['http://user@host', 'user and password'],
    ['https://user:secret@host', 'user and password'],
    ['http://host?', 'query'],
    ['http://host/?a=b', 'query'],
    ['http://host/a#b', 'query'],
  ])('is not %j', (text, why) => {
    const read = () => parseServerAddress(text, '--host');
    expect(read).toThrow(SbxError);
    expect(read).toThrow(
      expect.objectContaining({ code: 'invalid_host', message: expect.stringContaining(why) }),
    );
  });

  it('is not shown with the password that was in it', () => {
    expect(() => parseServerAddress('https://me:secret@host')).toThrow('"https://***@host"');
  });
});
