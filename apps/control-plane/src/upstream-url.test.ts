import { describe, expect, it } from 'vitest';
import { Failure } from './failure.ts';
import { checkProxyUrl, checkUpstreamUrl } from './upstream-url.ts';

const refused = (url: string, allowPrivate = false): boolean => {
  try {
    checkUpstreamUrl(url, 'url', allowPrivate);
    return false;
  } catch (error) {
    if (error instanceof Failure) return true;
    throw error;
  }
};

describe('checkUpstreamUrl', () => {
  it.each([
    'http://127.0.0.1:8080',
    'http://127.1',
    'http://2130706433',
    'http://0x7f.0.0.1',
    'http://0177.0.0.1',
    'http://0.0.0.0',
    'http://10.1.2.3',
    'http://172.16.0.1',
    'http://172.31.255.255',
    'http://192.168.1.1',
    'http://100.64.0.1',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]',
    'http://[::]',
    'http://[fe80::1]',
    'http://[fd00::1]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:a00:1]',
    'http://[64:ff9b::7f00:1]',
    'http://localhost:3000',
    'http://LOCALHOST.',
    'http://foo.localhost',
    'http://metadata.google.internal',
    'http://printer.local',
    'http://router.home.arpa',
  ])('refuses %s unless private addresses are allowed', (url) => {
    expect(refused(url)).toBe(true);
    expect(refused(url, true)).toBe(false);
  });

  it.each([
    'https://api.anthropic.com',
    'http://8.8.8.8',
    'http://172.32.0.1',
    'http://100.128.0.1',
    'http://[2606:4700::1111]',
    'http://[::ffff:8.8.8.8]',
    'https://internal.example.com',
    'https://notlocalhost.com',
  ])('accepts %s', (url) => {
    expect(refused(url)).toBe(false);
  });

  it.each(['ftp://example.com', 'file:///etc/passwd', 'javascript:alert(1)', 'not a url'])('refuses %s always', (url) => {
    expect(refused(url, true)).toBe(true);
  });
});

describe('checkProxyUrl', () => {
  it.each(['http://p:1', 'https://p', 'socks5://u:p@p:1080', 'socks4://p'])('accepts %s', (url) => {
    expect(() => checkProxyUrl(url)).not.toThrow();
  });
  it.each(['ftp://x', 'p:1080', 'socks5h://x', ''])('refuses "%s"', (url) => {
    expect(() => checkProxyUrl(url)).toThrow(Failure);
  });
});
