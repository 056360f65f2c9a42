import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '@hub/service';
import { allOperations } from '../src/operations.ts';
import { type Api, startApi } from './management-api.ts';

/** The cases that v0.3.42's users can observe on the management API, by their numbers. */
const refused = { ok: false, error: expect.any(String) };

describe('management API, as v0.3.42', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  const usersById = async (): Promise<Map<number, Record<string, unknown>>> => {
    const users = (await api.data('users/getUsers', { pageSize: 200 })) as ({ id: number } & Record<string, unknown>)[];
    return new Map(users.map((user) => [user.id, user]));
  };
  const keysOf = async (userId: number) => (await api.data('keys/getKeys', { userId })) as { id: number; key: string; name: string }[];
  const addKey = async (body: object): Promise<string> => ((await api.data('keys/addKey', body)) as { generatedKey: string }).generatedKey;

  it('1: health needs no credential', async () => {
    const answer = await api.send('GET', '/api/actions/health', undefined, { token: null, contentType: null });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ status: 'ok', version: '1.0.0', timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) });
  });

  it('2: the OpenAPI document has a path for every operation', async () => {
    const answer = await api.send('GET', '/api/actions/openapi.json', undefined, { token: null, contentType: null });
    expect(answer.status).toBe(200);
    const document = answer.body as { openapi: string; paths: object; tags: object[]; components: { securitySchemes: object } };
    const operations = allOperations(systemClock);
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(operations.map(({ module, action }) => `/api/actions/${module}/${action}`));
    expect(document.components.securitySchemes).toMatchObject({
      cookieAuth: { type: 'apiKey', in: 'cookie', name: 'auth-token' },
      bearerAuth: { type: 'http', scheme: 'bearer', bearerFormat: 'API Key' },
    });
    expect(document.tags).toHaveLength(new Set(operations.map(({ tag }) => tag)).size);
  });

  it('3, 4: no credential, a wrong one', async () => {
    expect(await api.call('users/getUsers', {}, { token: null })).toMatchObject({ status: 401, body: { ok: false, error: '未认证' } });
    expect(await api.call('users/getUsers', {}, { token: 'nope' })).toMatchObject({ status: 401, body: { ok: false, error: '认证无效或已过期' } });
  });

  it('5: a user may not add users', async () => {
    const { key } = await api.createUser({ name: 'c5' });
    expect(await api.call('users/addUser', { name: 'x' }, { token: key })).toMatchObject({ status: 403, body: { ok: false, error: '权限不足' } });
  });

  it('6, 7: the body comes before the credential', async () => {
    const answer = await api.call('keys/getKeys', { userId: 'x' }, { token: null });
    expect(answer).toMatchObject({ status: 400, body: { success: false, error: { name: 'ZodError' } } });
    const { error } = answer.body as { error: { message: string } };
    expect(error.message.startsWith('[\n  {\n')).toBe(true);
    expect(JSON.parse(error.message)).toMatchObject([{ code: 'invalid_type', path: ['userId'] }]);
    const malformed = await api.call('keys/getKeys', '{', { token: null });
    expect([malformed.status, malformed.headers.get('content-type'), malformed.text]).toEqual([400, 'text/plain;charset=UTF-8', 'Malformed JSON in request body']);
  });

  it('8: GET on an action and unknown actions', async () => {
    const got = await api.send('GET', '/api/actions/users/getUsers');
    const unknown = await api.call('no/such');
    for (const answer of [got, unknown]) expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([404, '404 Not Found', 'text/plain; charset=UTF-8']);
  });

  it('9: a user by name alone', async () => {
    const data = await api.data('users/addUser', { name: 'u1' });
    expect(data).toMatchObject({
      user: { role: 'user', rpm: null, dailyQuota: null, limit5hUsd: null, limitTotalUsd: null, limitConcurrentSessions: null, providerGroup: 'default' },
      defaultKey: { name: 'default', key: expect.stringMatching(/^sk-[0-9a-f]{32}$/) },
    });
  });

  it('10: limits are texts and numbers', async () => {
    const { id } = await api.createUser({ name: 'u2', limit5hUsd: 10, limitTotalUsd: 20, rpm: 0 });
    expect((await usersById()).get(id)).toMatchObject({ limit5hUsd: '10.00', limitTotalUsd: 20, rpm: null });
  });

  it('11: groups are normalised', async () => {
    const { id } = await api.createUser({ name: 'u3', providerGroup: ' b , a,,a' });
    expect((await usersById()).get(id)).toMatchObject({ providerGroup: 'a,b' });
  });

  it('12: an expiry in the past creates nothing', async () => {
    const before = (await usersById()).size;
    expect(await api.call('users/addUser', { name: 'late', expiresAt: '2020-01-01' })).toMatchObject({ status: 400, body: { success: false } });
    expect((await usersById()).size).toBe(before);
  });

  it('13: without a JSON content type the operation looks itself', async () => {
    const answer = await api.call('users/addUser', { name: '' }, { contentType: 'text/plain' });
    expect(answer).toMatchObject({ status: 400, body: { ...refused, errorCode: 'MIN_VALUE', errorParams: { field: 'name', min: 1 } } });
  });

  it('14: null clears the expiry', async () => {
    const { id } = await api.createUser({ name: 'c14', expiresAt: '2030-01-01' });
    expect((await usersById()).get(id)).toMatchObject({ expiresAt: '2030-01-01T00:00:00.000Z' });
    expect((await api.call('users/editUser', { userId: id, expiresAt: null })).text).toBe('{"ok":true}');
    expect((await usersById()).get(id)).toMatchObject({ expiresAt: null });
  });

  it('15: a user is removed twice, and the keys stop working', async () => {
    const { id, key } = await api.createUser({ name: 'c15' });
    for (let time = 0; time < 2; time++) expect((await api.call('users/removeUser', { userId: id })).text).toBe('{"ok":true}');
    expect((await api.call('users/getUsers', {}, { token: key })).status).toBe(401);
    expect((await usersById()).has(id)).toBe(false);
  });

  it('16: a user sees himself only', async () => {
    const { id, key } = await api.createUser({ name: 'c16' });
    expect(await api.data('users/getUsers', {}, { token: key })).toMatchObject([{ id, keys: [{ fullKey: key, canCopy: true }] }]);
  });

  it('17, 18, 20: keys that are refused', async () => {
    const { id, key } = await api.createUser({ name: 'c17', limit5hUsd: 10 });
    const other = await api.createUser({ name: 'c20' });
    expect(await api.call('keys/addKey', { userId: id, name: 'default' })).toMatchObject({ status: 400, body: refused });
    expect(await api.call('keys/addKey', { userId: id, name: 'big', limit5hUsd: 11 })).toMatchObject({ status: 400, body: refused });
    expect(await api.call('keys/addKey', { userId: other.id, name: 'x' }, { token: key })).toMatchObject({
      status: 400,
      body: { ...refused, errorCode: 'PERMISSION_DENIED' },
    });
    expect(await keysOf(id)).toHaveLength(1);
  });

  it('19: a user is in the groups of all his keys', async () => {
    const { id } = await api.createUser({ name: 'c19' });
    await addKey({ userId: id, name: 'vip', providerGroup: 'vip' });
    expect((await usersById()).get(id)).toMatchObject({ providerGroup: 'default,vip' });
    const [, vip] = await keysOf(id);
    await api.data('keys/removeKey', { keyId: vip?.id });
    expect((await usersById()).get(id)).toMatchObject({ providerGroup: 'default' });
  });

  it('21: the last enabled key stays', async () => {
    const { keyId, key } = await api.createUser({ name: 'c21' });
    expect(await api.call('keys/removeKey', { keyId })).toMatchObject({ status: 400, body: refused });
    expect((await api.call('users/getUsers', {}, { token: key })).status).toBe(200);
  });

  it('22: an edit puts back to its default what it does not send', async () => {
    const { id } = await api.createUser({ name: 'c22' });
    await addKey({ userId: id, name: 'k', expiresAt: '2030-01-01', canLoginWebUi: false, limitConcurrentSessions: 3, limitDailyUsd: 1, isEnabled: false });
    const [, created] = await keysOf(id);
    expect(created).toMatchObject({ canLoginWebUi: false, limitConcurrentSessions: 3, isEnabled: false });
    await api.data('keys/editKey', { keyId: created?.id, name: 'n', expiresAt: '' });
    const [, edited] = await keysOf(id);
    expect(edited).toMatchObject({ name: 'n', expiresAt: null, canLoginWebUi: true, limitConcurrentSessions: 0, limitDailyUsd: 1, isEnabled: false });
  });

  it('23, 33: a key that may not use the management interface may log in', async () => {
    const { id, key } = await api.createUser({ name: 'c23' });
    const readonly = await addKey({ userId: id, name: 'ro', canLoginWebUi: false });
    expect((await api.call('users/getUsers', {}, { token: readonly })).status).toBe(401);
    const login = (token: string) => api.send('POST', '/api/auth/login', JSON.stringify({ key: token }), { token: null });
    expect(await login('wrong')).toMatchObject({ status: 401, body: { error: expect.any(String) } });
    const full = await login(key);
    expect(full).toMatchObject({ status: 200, body: { ok: true, user: { id, name: 'c23', description: '', role: 'user' }, redirectTo: '/dashboard' } });
    expect(full.headers.get('set-cookie')).toMatch(new RegExp(`^auth-token=${key}; Path=/; Expires=[^;]+ GMT; Max-Age=604800; HttpOnly; SameSite=lax$`));
    expect(await login(readonly)).toMatchObject({ status: 200, body: { redirectTo: '/my-usage' } });
    const byCookie = await api.call('users/getUsers', {}, { token: null, headers: { cookie: `a=b; auth-token=${key}` } });
    expect(byCookie.status).toBe(200);
  });

  it('24: a provider by name, URL and key alone', async () => {
    expect((await api.call('providers/addProvider', { name: 'min', url: 'http://127.0.0.1:59001', key: 'sk-1234567890abcdef' })).text).toBe('{"ok":true}');
    expect(await api.data('providers/getProviders')).toMatchObject([
      {
        weight: 1,
        priority: 0,
        providerType: 'claude',
        circuitBreakerFailureThreshold: 5,
        circuitBreakerOpenDuration: 1_800_000,
        circuitBreakerHalfOpenSuccessThreshold: 2,
        firstByteTimeoutStreamingMs: 0,
        streamingIdleTimeoutMs: 0,
        requestTimeoutNonStreamingMs: 0,
        maskedKey: 'sk-1••••••cdef',
      },
    ]);
  });

  it.each([{ weight: 0 }, { first_byte_timeout_streaming_ms: 500 }, { provider_type: 'foo' }])('25: %j is out of bounds', async (field) => {
    const answer = await api.call('providers/addProvider', { name: 'x', url: 'http://127.0.0.1:1', key: 'k', ...field });
    expect(answer).toMatchObject({ status: 400, body: { success: false } });
  });

  it('26, 27, 28: providers that are refused', async () => {
    expect(await api.call('providers/addProvider', { name: 'x', url: 'http://127.0.0.1:1', key: 'k', proxy_url: 'ftp://x' })).toMatchObject({ status: 400, body: refused });
    expect(await api.call('providers/editProvider', { providerId: 999_999, name: 'q' })).toMatchObject({ status: 400, body: refused });
    expect((await api.call('providers/removeProvider', { providerId: 999_999 })).text).toBe('{"ok":true}');
    const empty = await api.call('providers/editProvider', { providerId: 1 });
    expect(empty).toMatchObject({ status: 400, body: refused });
    expect(JSON.parse((empty.body as { error: string }).error)).toMatchObject([{ code: 'custom', path: [] }]);
  });
});
