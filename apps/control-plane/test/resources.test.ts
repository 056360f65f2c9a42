import { hashKey } from '@hub/service';
import { fakeClock } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BreakerState, type LiveState, noLiveState } from '../src/live-state.ts';
import { type Api, startApi } from './management-api.ts';

type Row = Record<string, unknown>;

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  expect(api.errors).toEqual([]);
  await api.close();
});

const rows = (sql: string, ...values: unknown[]): Promise<Row[]> => api.database.query(sql, values);
const list = async (action: string, body: object = {}): Promise<Row[]> => (await api.data(action, body)) as Row[];
const userById = async (id: number): Promise<Row | undefined> => (await list('users/getUsers', { pageSize: 200 })).find((user) => user['id'] === id);
const refused = (action: string, body: object, token?: string) => api.call(action, body, token === undefined ? {} : { token });
const addProvider = async (fields: Row): Promise<number> => {
  await api.data('providers/addProvider', { url: 'https://api.example.com', key: 'sk-upstream-0123456789', ...fields });
  const [row] = await rows('SELECT max(id) AS id FROM providers');
  return Number(row?.['id']);
};
const provider = async (id: number): Promise<Row | undefined> => (await list('providers/getProviders')).find((row) => row['id'] === id);

describe('secrets', () => {
  it('lie sealed in the database and in no audit row, and come out where they should', async () => {
    const { id, key, keyId } = await api.createUser({ name: 'sealed' });
    const [stored] = await rows('SELECT key, key_hash FROM keys WHERE id = $1', keyId);
    expect(stored?.['key']).toMatch(/^sealed:v1:/);
    expect(stored?.['key_hash']).toEqual(hashKey(key));
    expect(await list('keys/getKeys', { userId: id })).toMatchObject([{ key }]);
    const providerId = await addProvider({ name: 'sealed', key: 'sk-upstream-secret-1', proxy_url: 'http://u:proxy-secret@127.0.0.1:1' });
    expect((await rows('SELECT key FROM providers WHERE id = $1', providerId))[0]?.['key']).toMatch(/^sealed:v1:/);
    const audit = JSON.stringify(await rows('SELECT before, after FROM hub_audit_log'));
    for (const secret of [key, 'sk-upstream-secret-1', 'proxy-secret', 'sealed:v1:']) expect(audit).not.toContain(secret);
  });

  it('lie in the open while v0.3.42 uses the same database', async () => {
    const plain = await startApi({ secretsAtRest: 'plain' });
    try {
      const { key } = await plain.createUser({ name: 'plain' });
      expect(await plain.database.query('SELECT key, key_hash FROM keys')).toEqual([{ key, key_hash: hashKey(key) }]);
    } finally {
      await plain.close();
    }
  });

  it('a provider keeps its key when the masked one is sent back', async () => {
    const id = await addProvider({ name: 'masked', key: 'sk-abcdefghijklmnop' });
    const before = await rows('SELECT key FROM providers WHERE id = $1', id);
    await api.data('providers/editProvider', { providerId: id, key: 'sk-a••••••mnop', weight: 7 });
    expect(await rows('SELECT key FROM providers WHERE id = $1', id)).toEqual(before);
    expect(await provider(id)).toMatchObject({ weight: 7, maskedKey: 'sk-a••••••mnop' });
    expect(await refused('providers/editProvider', { providerId: id, key: 'sk-x••••••yyyy' })).toMatchObject({ status: 400 });
    await api.data('providers/editProvider', { providerId: id, key: 'sk-another-key-0000' });
    expect(await provider(id)).toMatchObject({ maskedKey: 'sk-a••••••0000' });
  });
});

describe('audit', () => {
  it('says who changed what from where, in the same transaction', async () => {
    const { id, key } = await api.createUser({ name: 'audited' });
    await api.data('keys/addKey', { userId: id, name: 'own' }, { token: key });
    await api.data('users/editUser', { userId: id, rpm: 5 });
    const log = await rows("SELECT actor_kind, actor_id, action, entity, before, after, request_ip FROM hub_audit_log WHERE entity = 'user' AND entity_id = $1 ORDER BY id", id);
    expect(log).toMatchObject([
      { actor_kind: 'admin_token', actor_id: -1, action: 'users/addUser', before: null, after: { name: 'audited' }, request_ip: '127.0.0.1' },
      { action: 'users/editUser', before: { rpmLimit: null }, after: { rpmLimit: 5 } },
    ]);
    const [own] = await rows("SELECT actor_kind, actor_id, actor_name FROM hub_audit_log WHERE action = 'keys/addKey' AND actor_id = $1", id);
    expect(own).toEqual({ actor_kind: 'user', actor_id: id, actor_name: 'audited' });
    const [{ revisions }] = (await rows("SELECT count(*) AS revisions FROM hub_config_change WHERE entity = 'user' AND entity_id = $1", id)) as [Row];
    expect(revisions).toBe(2);
  });

  it('holds nothing of a change that was refused', async () => {
    const { id } = await api.createUser({ name: 'refused', providerGroup: 'a'.repeat(30) });
    const before = await rows('SELECT count(*) AS n FROM hub_audit_log');
    const answer = await refused('keys/addKey', { userId: id, name: 'too long', providerGroup: 'b'.repeat(30) });
    expect(answer).toMatchObject({ status: 400, body: { ok: false, errorCode: 'MAX_VALUE' } });
    expect(await rows('SELECT count(*) AS n FROM hub_audit_log')).toEqual(before);
    expect(await list('keys/getKeys', { userId: id })).toHaveLength(1);
    expect(await userById(id)).toMatchObject({ providerGroup: 'a'.repeat(30) });
  });
});

describe('users', () => {
  it('keep limits below a cent', async () => {
    const { id } = await api.createUser({ name: 'cents', limit5hUsd: 0.001, limitWeeklyUsd: '2.5', limitTotalUsd: 0.0000005, dailyQuota: 0.004 });
    expect(await userById(id)).toMatchObject({ limit5hUsd: '0.001', limitWeeklyUsd: '2.50', limitTotalUsd: 5e-7, dailyQuota: 0.004 });
  });

  it('can be edited in every field, and null clears', async () => {
    const { id } = await api.createUser({ name: 'edit', note: 'n', tags: ['t'], limitMonthlyUsd: 5 });
    const fields = {
      name: 'edited',
      note: '',
      providerGroup: 'z,y',
      tags: ['a', 'b'],
      rpm: '30',
      dailyQuota: 1.5,
      limit5hUsd: 1,
      limitConcurrentSessions: 2,
      isEnabled: false,
      expiresAt: '2020-01-01',
      dailyResetMode: 'rolling',
      dailyResetTime: '08:30',
      allowedClients: ['claude-cli'],
      allowedModels: ['m'],
    };
    await api.data('users/editUser', { userId: id, ...fields });
    const { note: _, ...shown } = fields;
    expect(await userById(id)).toMatchObject({ ...shown, providerGroup: 'y,z', rpm: 30, limit5hUsd: '1.00', expiresAt: '2020-01-01T00:00:00.000Z', limitMonthlyUsd: '5.00' });
    expect(await userById(id)).not.toHaveProperty('note');
    await api.data('users/editUser', { userId: id, limit5hUsd: null, dailyQuota: null, rpm: null, expiresAt: '', providerGroup: null });
    expect(await userById(id)).toMatchObject({ limit5hUsd: null, dailyQuota: null, rpm: null, expiresAt: null, providerGroup: 'default' });
  });

  it('are listed in pages, admins first', async () => {
    const paged = await startApi();
    try {
      for (let user = 0; user < 55; user++) await paged.createUser({ name: `u${user}` });
      await paged.database.query("UPDATE users SET role = 'admin' WHERE name = 'u54'");
      const names = async (body: object) => ((await paged.data('users/getUsers', body)) as Row[]).map((user) => user['name']);
      const first = await names({});
      expect([first.length, first[0], first[1], first[49]]).toEqual([50, 'u54', 'u0', 'u48']);
      expect(await names({ page: 2 })).toEqual(['u49', 'u50', 'u51', 'u52', 'u53']);
      expect(await names({ pageSize: 200 })).toHaveLength(55);
    } finally {
      await paged.close();
    }
  });
});

describe('keys of one who is no admin', () => {
  it('stay within his groups', async () => {
    const { id, key } = await api.createUser({ name: 'groups', providerGroup: 'vip,team' });
    const add = (name: string, providerGroup?: string) => refused('keys/addKey', { userId: id, name, ...(providerGroup !== undefined && { providerGroup }) }, key);
    expect(await add('default')).toMatchObject({ status: 400, body: { ok: false } });
    expect(await add('other', 'vip,other')).toMatchObject({ status: 400, body: { error: expect.stringContaining('other') } });
    expect(await add('vip', 'vip')).toMatchObject({ status: 200 });
    expect(await userById(id)).toMatchObject({ providerGroup: 'team,vip' });
    await api.database.query("UPDATE users SET provider_group = '*' WHERE id = $1", [id]);
    expect(await add('any', 'whatever')).toMatchObject({ status: 200 });
  });

  it('are edited without touching the group, and not those of others', async () => {
    const { id, key, keyId } = await api.createUser({ name: 'own', providerGroup: 'vip' });
    const other = await api.createUser({ name: 'other' });
    expect(await refused('keys/editKey', { keyId, name: 'n' }, key)).toMatchObject({ status: 200 });
    expect(await refused('keys/editKey', { keyId, name: 'n', providerGroup: 'vip' }, key)).toMatchObject({ status: 200 });
    expect(await refused('keys/editKey', { keyId, name: 'n', providerGroup: 'x' }, key)).toMatchObject({ status: 400, body: { errorCode: 'PERMISSION_DENIED' } });
    expect(await list('keys/getKeys', { userId: id })).toMatchObject([{ name: 'n', providerGroup: 'vip' }]);
    for (const [action, body] of [
      ['keys/editKey', { keyId: other.keyId, name: 'n' }],
      ['keys/removeKey', { keyId: other.keyId }],
      ['keys/getKeyLimitUsage', { keyId: other.keyId }],
      ['keys/getKeys', { userId: other.id }],
    ] as const) {
      expect(await refused(action, body, key)).toMatchObject({ status: 400, body: { ok: false } });
    }
  });

  it('may be removed but for the last', async () => {
    const { id, key, keyId } = await api.createUser({ name: 'remove' });
    await api.data('keys/addKey', { userId: id, name: 'second' }, { token: key });
    const [, second] = await list('keys/getKeys', { userId: id });
    await api.data('keys/editKey', { keyId: second?.['id'], name: 'second', isEnabled: false });
    expect(await refused('keys/removeKey', { keyId }, key)).toMatchObject({ status: 400 });
    expect(await refused('keys/removeKey', { keyId: second?.['id'] }, key)).toMatchObject({ status: 200 });
  });
});

describe('providers', () => {
  it('do not point inside unless that is allowed', async () => {
    const strict = await startApi({ allowPrivateUpstreams: false });
    try {
      const good = { name: 'p', url: 'https://api.example.com', key: 'k' };
      await strict.data('providers/addProvider', good);
      const [row] = await strict.database.query('SELECT id FROM providers');
      for (const [fields, named] of [
        [{ url: 'http://127.0.0.1:1' }, '127.0.0.1'],
        [{ url: 'http://169.254.169.254/latest' }, '169.254.169.254'],
        [{ mcp_passthrough_url: 'http://localhost:1' }, 'localhost'],
        [{ url: 'ftp://example.com' }, 'http'],
      ] as const) {
        const body = { ok: false, errorCode: 'INVALID_URL', error: expect.stringContaining(named) };
        expect(await strict.call('providers/addProvider', { ...good, ...fields })).toMatchObject({ status: 400, body });
        expect(await strict.call('providers/editProvider', { providerId: row?.['id'], ...fields })).toMatchObject({ status: 400, body });
      }
      expect(await strict.data('providers/getProviders')).toMatchObject([{ url: good.url, mcpPassthroughUrl: null }]);
    } finally {
      await strict.close();
    }
  });

  it('take every field, and null clears', async () => {
    const fields = {
      model_redirects: { a: 'b' },
      allowed_models: ['m1'],
      limit_5h_usd: 0.001,
      max_retry_attempts: 3,
      website_url: 'https://site.test:8443/a',
      favicon_url: 'https://other.test/f.ico',
      cost_multiplier: '1.25',
      daily_reset_time: '7:05',
      tpm: 1,
    };
    const id = await addProvider({ name: 'full', ...fields });
    expect(await provider(id)).toMatchObject({
      modelRedirects: { a: 'b' },
      allowedModels: ['m1'],
      limit5hUsd: 0.001,
      maxRetryAttempts: 3,
      faviconUrl: 'https://www.google.com/s2/favicons?domain=site.test&sz=32',
      costMultiplier: 1.25,
      dailyResetTime: '7:05',
      tpm: 1,
    });
    await api.data('providers/editProvider', { providerId: id, model_redirects: null, allowed_models: null, limit_5h_usd: null, website_url: null, circuit_breaker_failure_threshold: 0 });
    expect(await provider(id)).toMatchObject({
      modelRedirects: null,
      allowedModels: null,
      limit5hUsd: null,
      websiteUrl: null,
      faviconUrl: null,
      circuitBreakerFailureThreshold: 0,
      maxRetryAttempts: 3,
    });
    expect(await rows('SELECT model_redirects, allowed_models FROM providers WHERE id = $1', id)).toEqual([{ model_redirects: null, allowed_models: null }]);
  });

  it('show breakers and sessions of the shared state', async () => {
    const clock = fakeClock();
    const reset: number[] = [];
    const open: BreakerState = { circuitState: 'open', failureCount: 5, lastFailureTime: clock.now(), circuitOpenUntil: clock.now() + 90_000 };
    const live: LiveState = {
      ...noLiveState,
      standing: async ({ kind }) => ({ sessions: kind === 'provider' ? 4 : 2, spent: undefined }),
      breakers: async () => new Map([[1, open]]),
      resetBreaker: async (id: number) => void reset.push(id),
    };
    const lively = await startApi({ clock, live });
    try {
      for (const name of ['p1', 'p2']) await lively.data('providers/addProvider', { name, url: 'https://api.example.com', key: 'k' });
      const closed = { circuitState: 'closed', failureCount: 0, lastFailureTime: null, circuitOpenUntil: null, recoveryMinutes: null };
      expect(await lively.data('providers/getProvidersHealthStatus')).toEqual({ 1: { ...open, recoveryMinutes: 2 }, 2: closed });
      expect(await lively.data('providers/getProviderLimitUsage', { providerId: 1 })).toMatchObject({ concurrentSessions: { current: 4, limit: 0 } });
      const { keyId } = await lively.createUser({ name: 'u' });
      expect(await lively.data('keys/getKeyLimitUsage', { keyId })).toMatchObject({ concurrentSessions: { current: 2, limit: 0 } });
      await lively.data('providers/resetProviderCircuit', { providerId: 1 });
      await lively.data('providers/removeProvider', { providerId: 2 });
      expect(reset).toEqual([1, 2]);
    } finally {
      await lively.close();
    }
  });
});

describe('prices', () => {
  const upload = (table: unknown) => api.data('model-prices/uploadPriceTable', { jsonContent: typeof table === 'string' ? table : JSON.stringify(table) });

  // D08 in docs/complaints.md.
  it('are added, updated or left alone by their value', async () => {
    expect(await api.data('model-prices/hasPriceTable')).toBe(false);
    const first = await upload({ sample_spec: { mode: 'chat' }, ' ': { mode: 'chat' }, a: { mode: 'chat', input_cost_per_token: 3e-6, tiers: { x: 1, y: 2 } }, b: { mode: 'image_generation' }, bad: { no: 'mode' }, worse: 5 });
    expect(first).toEqual({ added: ['a', 'b'], updated: [], unchanged: [], failed: ['bad', 'worse'], total: 4 });
    const second = await upload('{"a":{"tiers":{"y":2,"x":1.0},"input_cost_per_token":0.000003,"mode":"chat"},"b":{"mode":"chat"}}');
    expect(second).toEqual({ added: [], updated: ['b'], unchanged: ['a'], failed: [], total: 2 });
    expect(await rows('SELECT model_name FROM model_prices ORDER BY id')).toHaveLength(3);
    expect(await list('model-prices/getModelPrices')).toMatchObject([{ modelName: 'a' }, { modelName: 'b', priceData: { mode: 'chat' } }]);
    expect(await api.data('model-prices/getAvailableModelsByProviderType')).toEqual(['a', 'b']);
    expect(await api.data('model-prices/hasPriceTable')).toBe(true);
  });

  it.each(['{nope', '[]', '5', 'null'])('are no %s', async (jsonContent) => {
    expect(await refused('model-prices/uploadPriceTable', { jsonContent })).toMatchObject({ status: 400, body: { ok: false } });
  });

  it('come by the thousand', async () => {
    const table = Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`model-${n}`, { mode: 'chat', input_cost_per_token: n * 1e-9 }]));
    expect(await upload(table)).toMatchObject({ total: 3000, unchanged: [] });
    expect(await upload(table)).toMatchObject({ added: [], updated: [] });
  });
});

describe('spending', () => {
  it('counts what v0.3.42 wrote by the key and what we write by its id, but no warm-ups and no deleted rows', async () => {
    const { id, key, keyId } = await api.createUser({ name: 'spending' });
    const row = (fields: Row) => {
      const all = { user_id: id, provider_id: 1, key: 'sha256:x', cost_usd: 1, model: 'm', ...fields };
      const names = Object.keys(all);
      return rows(`INSERT INTO message_request (${names.join(', ')}) VALUES (${names.map((_, at) => `$${at + 1}`).join(', ')})`, ...Object.values(all));
    };
    await row({ key_id: keyId });
    await row({ key, cost_usd: 0.25 });
    await row({ key, key_id: keyId, cost_usd: null });
    await row({ key_id: keyId, blocked_by: 'warmup' });
    await row({ key_id: keyId, deleted_at: new Date() });
    await row({ key: 'sk-somebody-else', user_id: id + 1000 });
    const usage = await api.data('keys/getKeyLimitUsage', { keyId });
    expect(usage).toMatchObject({ cost5h: { current: 1.25 }, costTotal: { current: 1.25 } });
    expect(await api.data('users/getUserLimitUsage', { userId: id })).toMatchObject({ dailyCost: { current: 1.25 } });
    const user = await userById(id);
    expect(user).toMatchObject({ keys: [{ todayUsage: 1.25, todayCallCount: 3, modelStats: [{ model: 'm', callCount: 3, totalCost: 1.25 }] }] });
  });
});
