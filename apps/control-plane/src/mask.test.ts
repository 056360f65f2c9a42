import { expect, it } from 'vitest';
import { auditable } from './change.ts';
import { maskKey, withoutCredentials } from './mask.ts';

it('shows the ends of a long key and nothing of a short one', () => {
  expect(maskKey('sk-1234567890abcdef')).toBe('sk-1••••••cdef');
  expect(maskKey('12345678')).toBe('••••••');
});

it('leaves user name and password out of URLs', () => {
  expect(withoutCredentials('socks5://user:pa@ss@host:1/p?q=a@b')).toBe('socks5://host:1/p?q=a@b');
  expect(withoutCredentials('https://host/path@x')).toBe('https://host/path@x');
});

it('keeps secrets out of the audit log but says that one changed', () => {
  const before = { id: 1, key: 'sk-old-secret', keyHash: new Uint8Array(3), proxyUrl: 'http://u:secret@p', webhookUrl: null };
  expect(auditable(before)).toEqual({ id: 1, key: '[secret]', proxyUrl: 'http://p', webhookUrl: null });
  const after = auditable({ ...before, key: 'sk-new-secret' }, before);
  expect(after).toMatchObject({ key: '[new secret]' });
  expect(JSON.stringify(after)).not.toContain('sk-');
});
