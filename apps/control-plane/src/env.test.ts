import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readEnv } from './env.ts';

const least = { DATABASE_URL: 'postgresql://db/hub', PLANE_TOKEN: 'a, b' };

it('needs a database and a plane token', () => {
  expect(readEnv(least)).toMatchObject({ databaseUrl: 'postgresql://db/hub', planeTokens: ['a', 'b'], httpPort: 8081, grpcPort: 8082, opsPort: 9081, tls: undefined });
  expect(readEnv({ PLANE_TOKEN: 'x', DSN: 'postgresql://old' }).databaseUrl).toBe('postgresql://old');
  expect(() => readEnv({})).toThrow(/DATABASE_URL[^]*PLANE_TOKEN/);
});

it('has no admin token where the example was left in place', () => {
  expect(readEnv({ ...least, ADMIN_TOKEN: 'change-me' }).adminToken).toBeUndefined();
  expect(readEnv({ ...least, ADMIN_TOKEN: 'secret' }).adminToken).toBe('secret');
});

it('reads files for TLS, both or none', () => {
  const file = fileURLToPath(import.meta.url);
  expect(readEnv({ ...least, PLANE_TLS_CERT: file, PLANE_TLS_KEY: file }).tls).toMatchObject({ certificate: expect.any(Buffer), key: expect.any(Buffer) });
  expect(() => readEnv({ ...least, PLANE_TLS_CERT: file })).toThrow('go together');
  expect(() => readEnv({ ...least, PLANE_TLS_CERT: '/nowhere' })).toThrow('PLANE_TLS_CERT names a file');
});

it('refuses what is no time zone', () => {
  expect(() => readEnv({ ...least, TZ: 'Mars/Olympus' })).toThrow('TZ must be a time zone');
  expect(readEnv(least).timeZone).toBe('Asia/Shanghai');
});

it('takes one Redis or the nodes of a cluster, and does not repeat what it cannot use', () => {
  expect(readEnv(least).redisUrl).toBeUndefined();
  for (const url of ['redis://:secret@cache:6379/1', 'redis://a:1, rediss://b:2']) expect(readEnv({ ...least, REDIS_URL: url }).redisUrl).toBe(url);
  for (const url of ['cache:6379', 'http://u:secret@cache', 'redis://a:1,']) {
    expect(() => readEnv({ ...least, REDIS_URL: url })).toThrow(/^(?![^]*secret)[^]*REDIS_URL must be redis:/);
  }
});
