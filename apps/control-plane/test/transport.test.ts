import { gzipSync } from 'node:zlib';
import { systemClock } from '@hub/service';
import { fakeClock } from '@hub/testkit';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { allOperations } from '../src/operations.ts';
import { adminToken, type Api, startApi } from './management-api.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());
afterEach(() => expect(api.errors.splice(0)).toEqual([]));

const bare = { token: null, contentType: null } as const;

describe('verbs and paths', () => {
  it('moves from a trailing slash', async () => {
    const answer = await api.send('POST', '/api/actions/users/getUsers/?a=b', '{}');
    expect([answer.status, answer.headers.get('location')]).toEqual([308, '/api/actions/users/getUsers?a=b']);
  });

  it.each([
    ['OPTIONS', '/api/actions/users/getUsers', 204, 'GET, HEAD, OPTIONS, POST'],
    ['OPTIONS', '/api/auth/login', 204, 'OPTIONS, POST'],
    ['HEAD', '/api/actions/users/getUsers', 404, null],
    ['PUT', '/api/actions/users/getUsers', 405, null],
    ['PATCH', '/api/actions/no/such', 405, null],
    ['DELETE', '/api/actions/users/getUsers', 405, null],
    ['GET', '/api/auth/login', 405, 'OPTIONS, POST'],
    ['POST', '/api/actions/USERS/getUsers', 404, null],
    ['POST', '/api/actions/users/getUsers/more', 404, null],
    ['POST', '/api/actions/%E0%A4%A', 400, null],
    ['GET', '/somewhere', 404, null],
  ])('%s %s is %i', async (method, path, status, allow) => {
    const answer = await api.send(method, path, undefined, bare);
    expect([answer.status, answer.body, answer.headers.get('allow')]).toEqual([status, undefined, allow]);
  });

  it('tells nothing about itself and lets no other origin in', async () => {
    const { headers } = await api.call('users/getUsers', {}, { headers: { origin: 'https://evil.example' } });
    for (const name of ['x-powered-by', 'etag', 'access-control-allow-origin', 'server', 'strict-transport-security']) expect(headers.has(name)).toBe(false);
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('documentation', () => {
  it('is served from here alone', async () => {
    const page = await api.send('GET', '/api/actions/docs', undefined, bare);
    expect(page.status).toBe(200);
    const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => String(source));
    expect(sources).toHaveLength(3);
    for (const source of sources) {
      expect(source.startsWith('/api/actions/docs/')).toBe(true);
      const asset = await api.send('GET', source, undefined, bare);
      expect(asset.status).toBe(200);
      expect(asset.headers.get('content-type')).toMatch(/^text\/(css|javascript)/);
    }
    expect(page.headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests');
  });

  it('refers only to schemas that it has', async () => {
    const { text } = await api.send('GET', '/api/actions/openapi.json', undefined, bare);
    const { components } = JSON.parse(text) as { components: { schemas: object } };
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
    expect(new Set(references)).toEqual(new Set(Object.keys(components.schemas)));
  });
});

describe('credentials', () => {
  it.each([
    ['auth-token=', 401, '未认证'],
    [`auth-token=nope`, 401, '认证无效或已过期'],
    [`auth-token=${encodeURIComponent(adminToken)}`, 200, undefined],
    ['other=1', 200, undefined],
  ])('cookie "%s" comes before the bearer token', async (cookie, status, error) => {
    const answer = await api.call('model-prices/hasPriceTable', {}, { headers: { cookie } });
    expect(answer.status).toBe(status);
    if (error !== undefined) expect(answer.body).toEqual({ ok: false, error });
  });

  it('a token that is not known, a key that has expired, was disabled or lost its user are all invalid', async () => {
    const { id, key, keyId } = await api.createUser({ name: 'credentials' });
    const status = async (): Promise<number> => (await api.call('users/getUsers', {}, { token: key })).status;
    expect(await status()).toBe(200);
    await api.database.query("UPDATE keys SET expires_at = now() AT TIME ZONE 'UTC' - interval '1 second' WHERE id = $1", [keyId]);
    expect(await status()).toBe(401);
    await api.database.query("UPDATE keys SET expires_at = now() AT TIME ZONE 'UTC' + interval '1 hour' WHERE id = $1", [keyId]);
    expect(await status()).toBe(200);
    await api.database.query('UPDATE keys SET is_enabled = false WHERE id = $1', [keyId]);
    expect(await status()).toBe(401);
    await api.database.query('UPDATE keys SET is_enabled = true WHERE id = $1', [keyId]);
    await api.database.query('UPDATE users SET is_enabled = false, expires_at = now() WHERE id = $1', [id]);
    expect(await status()).toBe(200);
    await api.database.query('UPDATE users SET deleted_at = now() WHERE id = $1', [id]);
    expect(await status()).toBe(401);
  });

  it('a key that v0.3.42 has just written works before its hash is there', async () => {
    const shared = await startApi({ secretsAtRest: 'plain' });
    try {
      const { id } = await shared.createUser({ name: 'shared database' });
      await shared.database.query("INSERT INTO keys (user_id, key, name, can_login_web_ui) VALUES ($1, 'sk-written-by-the-old-one', 'old', true)", [id]);
      expect(await shared.data('users/getUsers', {}, { token: 'sk-written-by-the-old-one' })).toMatchObject([{ id }]);
    } finally {
      await shared.close();
    }
  });

  it('nobody is admin by token if there is none', async () => {
    const other = await startApi({ adminToken: undefined });
    try {
      for (const token of ['', 'undefined', 'change-me']) expect((await other.call('users/getUsers', {}, { token })).status).toBe(401);
    } finally {
      await other.close();
    }
  });
});

describe('bodies', () => {
  const users = (body: string, options = {}) => api.call('users/getUsers', body, options);

  it('refuses more than 1 MiB, and more than 20 MiB of prices even of an admin', async () => {
    const large = JSON.stringify({ filler: 'x'.repeat(1024 * 1024) });
    expect(await users(large)).toMatchObject({ status: 413, body: { ok: false } });
    const prices = JSON.stringify({ jsonContent: JSON.stringify({ m: { mode: 'chat', filler: 'x'.repeat(2 * 1024 * 1024) } }) });
    expect((await api.call('model-prices/uploadPriceTable', prices, { token: null })).status).toBe(413);
    expect((await api.call('model-prices/uploadPriceTable', prices)).status).toBe(200);
    const huge = JSON.stringify({ jsonContent: 'x'.repeat(20 * 1024 * 1024) });
    expect((await api.call('model-prices/uploadPriceTable', huge)).status).toBe(413);
  });

  it('reads gzip', async () => {
    const response = await fetch(`${api.url}/api/actions/keys/getKeys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync('{"userId":123456}'),
    });
    expect(await response.json()).toEqual({ ok: true, data: [] });
  });

  it.each([['{"name":"a\\u0000b"}'], ['{"name":"a\\ud800b"}'], ['{"name":"x","tags":["\\u0000"]}']])('refuses %s, which cannot be stored', async (body) => {
    for (const contentType of ['application/json', 'text/plain']) {
      expect(await api.call('users/addUser', body, { contentType })).toMatchObject({ status: 400, body: { ok: false, errorCode: 'INVALID_FORMAT' } });
    }
  });

  it.each([['users/removeUser', 'userId'], ['keys/getKeys', 'userId'], ['providers/removeProvider', 'providerId']])('%s: an id that no row can have is 400', async (action, field) => {
    const answer = await api.call(action, { [field]: 9_999_999_999 });
    expect(answer).toMatchObject({ status: 400, body: { ok: false, errorCode: 'MAX_VALUE', errorParams: { field } } });
  });

  it('unknown fields and a missing body are fine', async () => {
    expect((await users('{"what":"ever"}')).status).toBe(200);
    expect((await api.send('POST', '/api/actions/users/getUsers', undefined, { contentType: null })).status).toBe(200);
    expect((await users('a=b', { contentType: 'application/x-www-form-urlencoded' })).status).toBe(200);
    expect((await users('null', { contentType: 'text/plain' })).status).toBe(200);
    expect((await users('{"page":0}')).status).toBe(400);
  });
});

describe('whatever is sent', () => {
  const operations = allOperations(systemClock).filter(({ action }) => !action.startsWith('remove'));
  const word = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(null, '', 0, -1, 1e308, 2 ** 31, '1e400', '2020-01-01', true, 'http://127.0.0.1', '+275760-09-13', '\0', '\ud800'));
  const names = ['userId', 'keyId', 'providerId', 'name', 'url', 'key', 'expiresAt', 'rpm', 'limit5hUsd', 'providerGroup', 'cost_multiplier', 'tpm', 'model_redirects', 'jsonContent', 'website_url', 'proxy_url', 'priority'];
  const body = fc.oneof(
    { weight: 4, arbitrary: fc.dictionary(fc.constantFrom(...names), word) },
    { weight: 1, arbitrary: fc.jsonValue() },
  );

  it('is never an error of the server', async () => {
    const property = fc.asyncProperty(fc.constantFrom(...operations), body, fc.boolean(), async (operation, sent, json) => {
      const answer = await api.call(`${operation.module}/${operation.action}`, JSON.stringify(sent), { contentType: json ? 'application/json' : 'text/plain' });
      expect([200, 400]).toContain(answer.status);
    });
    await fc.assert(property, { numRuns: 150 });
  });
});

describe('languages', () => {
  const removed = (headers: Record<string, string>) => api.call('users/getUserLimitUsage', { userId: 987_654 }, { headers });
  it('are Chinese unless asked otherwise, except for the three texts that scripts compare', async () => {
    expect(await removed({})).toMatchObject({ body: { error: '没有这个用户', errorCode: 'NOT_FOUND' } });
    expect(await removed({ 'accept-language': 'en-GB' })).toMatchObject({ body: { error: 'there is no such user', errorCode: 'NOT_FOUND' } });
    expect(await removed({ 'x-next-intl-locale': 'en' })).toMatchObject({ body: { error: 'there is no such user' } });
    const answer = await api.call('users/addUser', { name: '' }, { headers: { 'accept-language': 'en' } });
    expect(answer.text).toContain('name must not be empty');
    expect(await api.call('users/getUsers', {}, { token: null, headers: { 'accept-language': 'en' } })).toMatchObject({ body: { error: '未认证' } });
  });
});

describe('login', () => {
  const login = (target: Api, body: string) => target.send('POST', '/api/auth/login', body, bare);
  it.each([
    ['{oops', 500],
    ['{}', 400],
    ['null', 400],
    ['{"key":""}', 400],
    ['{"key":5}', 401],
    [`{"key":"${adminToken}"}`, 200],
  ])('%s is %i', async (body, status) => {
    expect((await login(api, body)).status).toBe(status);
  });

  it('sets a cookie for HTTPS only where that is wanted', async () => {
    const secure = await startApi({ secureCookies: true });
    try {
      expect((await login(secure, `{"key":"${adminToken}"}`)).headers.get('set-cookie')).toContain('; Secure; HttpOnly');
    } finally {
      await secure.close();
    }
  });

  it('makes who guesses wait', async () => {
    const clock = fakeClock();
    const guarded = await startApi({ clock });
    try {
      for (let guess = 0; guess < 20; guess++) expect((await login(guarded, '{"key":"guess"}')).status).toBe(401);
      const answer = await login(guarded, `{"key":"${adminToken}"}`);
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '60']);
      clock.advance(60_000);
      expect((await login(guarded, `{"key":"${adminToken}"}`)).status).toBe(200);
    } finally {
      await guarded.close();
    }
  });
});

describe('a failure of the server', () => {
  it('says nothing about itself', async () => {
    const broken = await startApi();
    try {
      await broken.database.query('ALTER TABLE users RENAME TO somewhere_else');
      const answer = await broken.call('users/addUser', { name: 'secret name' });
      expect([answer.status, answer.body]).toEqual([500, { ok: false, error: '服务器出错了' }]);
      expect(answer.text).not.toMatch(/secret|select|insert|prisma|users/i);
      expect(broken.errors).toHaveLength(1);
    } finally {
      await broken.close();
    }
  });
});
