import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, type SendOptions, startApi } from './management-api.ts';

type Row = Record<string, unknown>;

const config = '/api/admin/system-config';
const defaults = {
  siteTitle: 'Claude Code Hub',
  allowGlobalUsageView: false,
  currencyDisplay: 'USD',
  billingModelSource: 'original',
  enableAutoCleanup: false,
  cleanupRetentionDays: 30,
  cleanupSchedule: '0 2 * * *',
  cleanupBatchSize: 10_000,
  enableClientVersionCheck: false,
  verboseProviderError: false,
  enableHttp2: false,
  interceptAnthropicWarmupRequests: false,
  budgetEnforcement: 'soft',
  enableFormatConversion: true,
  maxRequestBodyBytes: 33_554_432,
};

let api: Api;
let user: string;
let readonly: string;
beforeAll(async () => {
  api = await startApi();
  const created = await api.createUser({ name: 'user' });
  user = created.key;
  readonly = ((await api.data('keys/addKey', { userId: created.id, name: 'ro', canLoginWebUi: false })) as { generatedKey: string }).generatedKey;
});
afterAll(async () => {
  expect(api.errors).toEqual([]);
  await api.close();
});

const get = (path: string, options?: SendOptions) => api.send('GET', path, undefined, options);
const post = (body: unknown, options?: SendOptions) => api.send('POST', config, typeof body === 'string' ? body : JSON.stringify(body), options);

describe('settings', () => {
  it('are made with defaults when they are first read, once', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => get(config)));
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: { id: 1, ...defaults } });
    expect(await api.database.query('SELECT count(*) AS rows FROM system_settings')).toEqual([{ rows: 1 }]);
  });

  it('are read by whoever may use the interface, and changed by admins', async () => {
    expect(await get('/api/system-settings', { token: user })).toMatchObject({ status: 200, body: { ...defaults, createdAt: expect.stringMatching(/Z$/) } });
    for (const token of [null, 'nope', readonly]) {
      expect(await get('/api/system-settings', { token })).toMatchObject({ status: 401, body: { error: expect.any(String) } });
    }
    for (const token of [null, user, readonly]) {
      for (const answer of [await get(config, { token }), await post({ siteTitle: 'x' }, { token })]) {
        expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([401, 'Unauthorized', 'text/plain; charset=UTF-8']);
      }
    }
    await api.database.query("UPDATE users SET role = 'admin' WHERE name = 'user'");
    expect(await post({ siteTitle: 'Claude Code Hub' }, { token: user })).toMatchObject({ status: 200 });
  });

  it('are all stored, not only the seven that v0.3.42 stored, and what is absent stays', async () => {
    const changed = {
      siteTitle: 'Ours',
      allowGlobalUsageView: true,
      currencyDisplay: 'CNY',
      billingModelSource: 'redirected',
      enableAutoCleanup: true,
      cleanupRetentionDays: 7,
      cleanupSchedule: '0 3 * * 1',
      cleanupBatchSize: 2000,
      enableClientVersionCheck: true,
      verboseProviderError: true,
      enableHttp2: true,
      interceptAnthropicWarmupRequests: true,
      budgetEnforcement: 'hard',
      enableFormatConversion: false,
      maxRequestBodyBytes: 1_048_576,
    };
    for (const [field, value] of Object.entries(changed)) {
      const answer = await post({ [field]: value });
      expect(answer).toMatchObject({ status: 200, body: { [field]: value } });
    }
    expect((await get('/api/system-settings')).body).toMatchObject(changed);
    expect(await post({ siteTitle: '  Trimmed ', cleanupRetentionDays: '30', unknown: 1 })).toMatchObject({ status: 200, body: { ...changed, siteTitle: 'Trimmed', cleanupRetentionDays: 30 } });
    expect(await post({})).toMatchObject({ status: 200, body: { siteTitle: 'Trimmed' } });
  });

  it('leave an audit row and a revision per change', async () => {
    const counts = (): Promise<Row[]> =>
      api.database.query("SELECT (SELECT count(*) FROM hub_audit_log WHERE entity = 'settings') AS audited, (SELECT count(*) FROM hub_config_change WHERE entity = 'settings') AS revisions");
    const [before] = await counts();
    await post({ siteTitle: 'audited' });
    await post({});
    const [after] = await counts();
    expect([Number(after?.['audited']) - Number(before?.['audited']), Number(after?.['revisions']) - Number(before?.['revisions'])]).toEqual([1, 1]);
    const [row] = await api.database.query("SELECT actor_kind, action, before, after FROM hub_audit_log WHERE entity = 'settings' ORDER BY id DESC LIMIT 1");
    expect(row).toMatchObject({ actor_kind: 'admin_token', action: 'admin/system-config', before: { siteTitle: 'Trimmed' }, after: { siteTitle: 'audited', maxRequestBodyBytes: '1048576' } });
  });

  it.each([
    [{ siteTitle: ' ' }],
    [{ siteTitle: 'x'.repeat(129) }],
    [{ currencyDisplay: 'XXX' }],
    [{ billingModelSource: 'both' }],
    [{ cleanupRetentionDays: 0 }],
    [{ cleanupRetentionDays: 1.5 }],
    [{ cleanupSchedule: '' }],
    [{ cleanupBatchSize: 999 }],
    [{ enableHttp2: 'yes' }],
    [{ budgetEnforcement: null }],
    [{ maxRequestBodyBytes: 1023 }],
    [{ maxRequestBodyBytes: 268_435_457 }],
    [{ siteTitle: 'a\0b' }],
    [[]],
    [null],
  ])('are not %j, and nothing is stored then', async (body) => {
    const before = (await get(config)).body;
    expect(await post(body)).toMatchObject({ status: 400, body: { error: expect.stringMatching(/./) } });
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
      expect(await post({ allowGlobalUsageView: true, cleanupRetentionDays: 99, ...body })).toMatchObject({ status: 400 });
    }
    expect((await get(config)).body).toEqual(before);
  });

  it('name the field in the language of the caller', async () => {
    const answer = await post({ cleanupBatchSize: 5 }, { headers: { 'accept-language': 'en' } });
    expect(answer.body).toEqual({ error: 'cleanupBatchSize must be at least 1000' });
  });

  it('know their methods', async () => {
    expect(await api.send('DELETE', config)).toMatchObject({ status: 405 });
    expect(await api.send('POST', '/api/system-settings', '{}')).toMatchObject({ status: 405 });
    const options = await api.send('OPTIONS', config);
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
    expect(await post('x'.repeat(70_000))).toMatchObject({ status: 413 });
  });
});
