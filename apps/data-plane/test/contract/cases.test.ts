import { create, type wire as Wire, wire } from '@hub/contract';
import { errorBody, type ScriptedUpstream, startUpstream, status } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { key, messages, price, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, testKey, user } from '../boot.ts';

/**
 * The observable cases 39 to 60 of v0.3.42's contract, and the further assertions behind them, through the front door. Those
 * that look at the database are in `cases-with-rows.test.ts`.
 */

let upstream: ScriptedUpstream;
let controlPlane: TestControlPlane;
let hub: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream();
  controlPlane = await startControlPlane();
  controlPlane.publish([settings(), user(), key()]);
  hub = await startGateway(controlPlane);
});
afterAll(async () => {
  await hub.stop();
  await controlPlane.stop();
  await upstream.close();
});
beforeEach(async () => {
  // What the test before left on its way.
  await hub.gateway.shipper.flush(10_000);
  upstream.reset();
  controlPlane.records.length = 0;
});

type Entity = Wire.Entity['entity'];
const publish = async (...entities: Entity[]) => controlPlane.waitForAck(controlPlane.publish(entities));
/** The caller of the other tests with a provider of Anthropic's dialect. */
const usual = () => publish(settings(), user(), key(), provider({ url: upstream.url }));
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(hub.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
/** Without any header of a client that the test does not name. */
const plain = { model: 'claude-sonnet-4-5', max_tokens: 64, messages: [{ role: 'user', content: 'hello there' }] };
const errorOf = async (response: Response) => ((await response.json()) as { error: { type: string; code: string; details?: Record<string, unknown> } }).error;
const chain = (record: { providerChainJson: string } | undefined) => JSON.parse(record?.providerChainJson ?? '[]') as Record<string, unknown>[];
const byMode = (mode: string | undefined) => upstream.requests.filter((request) => request.mode === mode);

describe('who may come in', () => {
  beforeEach(usual);

  it('39: no key → 401 authentication_error, readable from any origin', async () => {
    const response = await post('/v1/messages', plain);
    expect(response.status).toBe(401);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await errorOf(response)).toMatchObject({ type: 'authentication_error', code: 'authentication_error' });
  });

  it('40: two different keys → 401 authentication_error', async () => {
    const response = await post('/v1/messages', plain, { authorization: 'Bearer A', 'x-api-key': 'B' });
    expect(response.status).toBe(401);
    expect(await errorOf(response)).toMatchObject({ type: 'authentication_error', code: 'authentication_error' });
  });

  const refused: [name: string, type: string, init: Partial<Wire.User>, text: string][] = [
    ['unknown key', 'invalid_api_key', {}, 'sk-unknown'],
    ['disabled user', 'user_disabled', { enabled: false }, testKey],
    ['expired user', 'user_expired', { expiresAtMs: BigInt(Date.UTC(2025, 0, 1)) }, testKey],
  ];
  it.each(refused)('41: %s → 401 %s', async (_name, type, init, text) => {
    await publish(settings(), user(init), key(), provider({ url: upstream.url }));
    const response = await post('/v1/messages', plain, { 'x-api-key': text });
    expect(response.status).toBe(401);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ error: { type, code: type } });
    if (type === 'user_expired') expect(body).toContain('2025-01-01');
    expect(upstream.requests).toHaveLength(0);
  });

  it('42: a Responses body of the wrong shape is refused before the key is asked for', async () => {
    const response = await post('/v1/responses', { input: 'hi', model: 'm' });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error', code: 'missing_required_fields' });
  });
});

describe('what a user may use', () => {
  it('43: allowed clients are found in the user agent, whatever its case, - and _', async () => {
    await publish(settings(), user({ allowedClients: ['claude-cli'] }), key(), provider({ url: upstream.url }));
    expect((await messages(hub.url, { headers: { 'user-agent': 'Claude_CLI/1.0' } })).status).toBe(200);
    for (const agent of ['curl', '']) {
      const response = await messages(hub.url, { headers: { 'user-agent': agent } });
      expect(response.status).toBe(400);
      expect((await errorOf(response)).type).toBe('invalid_request_error');
    }
    expect(upstream.requests).toHaveLength(1);
  });

  it('44: allowed models are compared without case; providers with it', async () => {
    const allowed = user({ allowedModels: ['claude-x'] });
    await publish(settings(), allowed, key(), provider({ url: upstream.url, allowedModels: ['CLAUDE-X'] }));
    expect((await messages(hub.url, { body: { model: 'CLAUDE-X' } })).status).toBe(200);
    const other = await messages(hub.url, { body: { model: 'claude-y' } });
    expect([other.status, (await errorOf(other)).type]).toEqual([400, 'invalid_request_error']);
    await publish(settings(), allowed, key(), provider({ url: upstream.url }));
    expect((await messages(hub.url, { body: { model: 'CLAUDE-X' } })).status).toBe(503);
  });
});

it('45: a probe is answered here', async () => {
  await usual();
  const response = await messages(hub.url, { body: { messages: [{ role: 'user', content: ' FOO ' }] } });
  expect([response.status, await response.json()]).toEqual([200, { input_tokens: 0 }]);
  expect(upstream.requests).toHaveLength(0);
});

describe('who serves', () => {
  it('48: no provider → 503 no_available_providers; what stood in the way only if the setting allows it', async () => {
    await publish(settings(), user(), key());
    const silent = await messages(hub.url);
    expect(silent.status).toBe(503);
    const error = await errorOf(silent);
    expect(error).toMatchObject({ type: 'no_available_providers', code: 'no_available_providers' });
    expect(error.details).toBeUndefined();
    await publish(settings({ verboseProviderError: true }), user(), key(), provider({ url: upstream.url, enabled: false }));
    const verbose = await messages(hub.url);
    expect(verbose.status).toBe(503);
    expect((await errorOf(verbose)).details).toEqual({ totalAttempts: 1, excludedCount: 0, filteredProviders: [{ id: 1, reason: 'disabled' }] });
  });

  it('49: a provider of another format that does not name the model is none', async () => {
    await publish(settings(), user(), key(), provider({ url: upstream.url, providerType: 'codex' }));
    expect((await messages(hub.url)).status).toBe(503);
    expect(upstream.requests).toHaveLength(0);
  });

  it.each([
    ['vip', ['two'], 1],
    ['*', ['one', 'two'], 40],
    ['', ['one'], 4],
    ['default', ['one'], 4],
  ] as const)('51: a key of group "%s" is served by %j', async (providerGroup, expected, requests) => {
    const named = (id: number, name: string, groupTag = '') => provider({ id, name, groupTag, url: upstream.urlFor(name), breakerFailureThreshold: 0 });
    await publish(settings(), user(), key({ providerGroup }), named(1, 'one'), named(2, 'two', 'vip,x'));
    for (let count = 0; count < requests; count++) await (await messages(hub.url)).text();
    // With two equally likely ones, one of them is missed by 40 requests once in 5·10¹¹ runs.
    expect([...new Set(upstream.requests.map((request) => request.mode))].toSorted()).toEqual(expected);
  });
});

it('47: a sensitive word of the system text or the user is refused, one of the assistant is not', async () => {
  const word = create(wire.SensitiveWordSchema, { id: 1, word: 'casino', matchType: 'contains' });
  await publish(settings(), user(), key(), provider({ url: upstream.url }), { case: 'sensitiveWord', value: word });
  const refused = await messages(hub.url, { body: { system: [{ type: 'text', text: 'You run a CASINO.' }] } });
  expect([refused.status, (await errorOf(refused)).type]).toEqual([400, 'invalid_request_error']);
  const conversation = [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'casino' }, { role: 'user', content: 'b' }];
  expect((await messages(hub.url, { body: { messages: conversation } })).status).toBe(200);
  const [first, second] = await controlPlane.waitForRecords(2);
  expect(first).toMatchObject({ providerId: 0, statusCode: 400, blockedBy: 'sensitive_word', costUsd: '0' });
  expect(JSON.parse(first?.blockedReasonJson ?? '')).toMatchObject({ word: 'casino', matchType: 'contains' });
  expect(second).toMatchObject({ providerId: 1, statusCode: 200, blockedBy: '' });
  expect(upstream.requests).toHaveLength(1);
});

it('55: an error rule ends it at once, with its own answer', async () => {
  const rule = create(wire.ErrorRuleSchema, {
    id: 7,
    pattern: 'prompt is too long.*(tokens.*maximum|maximum.*tokens)',
    matchType: 'regex',
    category: 'prompt_limit',
    priority: 100,
    overrideResponseJson: JSON.stringify({ type: 'error', error: { type: 'prompt_limit', message: 'Shorten the prompt.' } }),
  });
  await publish(settings(), user(), key(), provider({ url: upstream.url, maxRetryAttempts: 2 }), { case: 'errorRule', value: rule });
  upstream.always(status(400, errorBody('anthropic', 400, 'prompt is too long: 9 tokens > 8 maximum')));
  const response = await messages(hub.url);
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({ type: 'error', error: { type: 'prompt_limit', message: 'Shorten the prompt.' } });
  expect(upstream.requests).toHaveLength(1);
  const [record] = await controlPlane.waitForRecords(1);
  expect(chain(record).at(-1)).toMatchObject({
    reason: 'client_error_non_retryable',
    errorDetails: { matchedRule: { ruleId: 7, matchType: 'regex', category: 'prompt_limit', hasOverrideResponse: true, hasOverrideStatusCode: false } },
  });
});

it('58: the third request of a minute with RPM 2 → 429', async () => {
  await publish(settings(), user({ id: 58, rpm: 2 }), key({ id: 58, userId: 58 }), provider({ url: upstream.url }));
  expect([(await messages(hub.url)).status, (await messages(hub.url)).status]).toEqual([200, 200]);
  const third = await messages(hub.url);
  expect(third.status).toBe(429);
  expect(await errorOf(third)).toMatchObject({ type: 'rate_limit_error', code: 'rate_limit_exceeded', limit_type: 'rpm', current: 2, limit: 2 });
  const header = (name: string) => third.headers.get(name);
  expect(['x-ratelimit-type', 'x-ratelimit-limit', 'x-ratelimit-remaining'].map(header)).toEqual(['rpm', '2', '0']);
  expect(Number(header('retry-after'))).toBeGreaterThan(0);
  expect(Number(header('retry-after'))).toBeLessThanOrEqual(60);
});

describe('60: lists of models', () => {
  beforeEach(() =>
    publish(
      // Else a provider that names models of another format serves them too.
      settings({ enableFormatConversion: false }), user(), key(),
      provider({ id: 1, url: upstream.url }),
      provider({ id: 2, name: 'codex', url: upstream.url, providerType: 'codex' }),
      provider({ id: 3, name: 'chat', url: upstream.url, providerType: 'openai-compatible', allowedModels: ['deepseek-chat', 'qwen3', 'o3', 'claude-x', 'gemini-x', 'other'] }),
      provider({ id: 4, name: 'gemini', url: upstream.url, providerType: 'gemini' }),
    ),
  );
  const list = async (headers: Record<string, string>) => (await fetch(`${hub.url}/v1/models`, { headers })).json() as Promise<Record<string, unknown>>;

  it('anthropic-version → Anthropic’s shape', async () => {
    const answer = await list({ 'x-api-key': testKey, 'anthropic-version': '2023-06-01' });
    expect(answer).toMatchObject({ has_more: false, data: [{ id: 'claude-opus-4-1-20250805', type: 'model' }, { id: 'claude-sonnet-4-5-20250929', type: 'model' }] });
  });

  it('x-goog-api-key alone → Gemini’s', async () => {
    expect(await list({ 'x-goog-api-key': testKey })).toMatchObject({ models: [{ name: 'models/gemini-2.5-flash', supportedGenerationMethods: ['generateContent'] }, { name: 'models/gemini-2.5-pro' }] });
  });

  it('neither → OpenAI’s, sorted, with owners by prefix', async () => {
    const answer = await list({ authorization: `Bearer ${testKey}` });
    expect(answer['object']).toBe('list');
    const owners = (answer['data'] as { id: string; owned_by: string }[]).map(({ id, owned_by: owner }) => [id, owner]);
    expect(owners).toEqual([
      ['claude-x', 'anthropic'], ['deepseek-chat', 'deepseek'], ['gemini-x', 'google'], ['gpt-4o', 'openai'], ['gpt-5', 'openai'],
      ['gpt-5-codex', 'openai'], ['o3', 'openai'], ['other', 'unknown'], ['qwen3', 'alibaba'],
    ]);
  });
});

it('a provider whose sessions are used up is passed over, and the chain says so', async () => {
  const limits = create(wire.SpendLimitsSchema, { concurrentSessions: 1 });
  await publish(settings(), user(), key(), provider({ id: 71, name: 'narrow', url: upstream.url, limits }), provider({ id: 72, name: 'wide', url: upstream.url, priority: 1 }));
  const inSession = (name: string) => messages(hub.url, { body: { metadata: { user_id: `user_a_account__session_${name}` } } });
  expect([(await inSession('one')).status, (await inSession('two')).status]).toEqual([200, 200]);
  const records = await controlPlane.waitForRecords(2);
  expect(records.map((record) => record.providerId)).toEqual([71, 72]);
  expect(chain(records[1]).map(({ name, reason }) => [name, reason])).toEqual([
    ['narrow', 'concurrent_limit_failed'], ['wide', 'initial_selection'], ['wide', 'request_success'],
  ]);
});

describe('what an upstream gets', () => {
  it('x1: neither the client’s credential nor its traces; no private fields; nothing encoded', async () => {
    await usual();
    const response = await post('/v1/messages', { ...plain, _mine: 1, metadata: { _deep: 2, user_id: 'u' } }, {
      authorization: `Bearer ${testKey}`, 'x-request-id': 'r', 'x-forwarded-for': '203.0.113.5', 'accept-encoding': 'br',
    });
    expect(response.status).toBe(200);
    const [seen] = upstream.requests;
    expect(seen?.headers).toMatchObject({ authorization: 'Bearer sk-upstream-secret-1', 'x-api-key': 'sk-upstream-secret-1', 'accept-encoding': 'identity' });
    expect(Object.keys(seen?.headers ?? {})).not.toEqual(expect.arrayContaining(['x-request-id']));
    expect(Object.keys(seen?.headers ?? {})).not.toEqual(expect.arrayContaining(['x-forwarded-for']));
    expect(seen?.json).toEqual({ ...plain, metadata: { user_id: 'u' } });
  });

  it('x2: Codex’s back end, from another program: no temperature, store false', async () => {
    await publish(settings(), user(), key(), provider({ url: upstream.url, providerType: 'codex' }));
    const body = { model: 'gpt-5', temperature: 0.4, max_output_tokens: 9, input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] }] };
    const send = (agent: string) => post('/v1/responses', body, { authorization: `Bearer ${testKey}`, 'user-agent': agent });
    expect([(await send('OpenAI/Python 1.99')).status, (await send('codex_cli_rs/0.40.0 (x)')).status]).toEqual([200, 200]);
    const [other, official] = upstream.requests;
    expect(other?.json).toEqual({ model: 'gpt-5', input: body.input, store: false, parallel_tool_calls: true });
    expect(official?.json).toEqual(body);
  });
});

it('x4: no first byte in time → the next provider, and the chain says 524', async () => {
  await publish(
    settings(), user(), key(), price('claude-sonnet-4-5', { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 }),
    provider({ id: 1, name: 'late', url: upstream.urlFor('never'), firstByteTimeoutMs: 60, maxRetryAttempts: 1, breakerFailureThreshold: 0 }),
    provider({ id: 2, name: 'ready', url: upstream.urlFor('ready'), priority: 1 }),
  );
  const response = await messages(hub.url, { body: { stream: true } });
  expect(response.status).toBe(200);
  expect(await response.text()).toContain('message_stop');
  const [record] = await controlPlane.waitForRecords(1);
  expect(chain(record).map(({ name, reason, statusCode }) => [name, reason, statusCode])).toEqual([
    ['late', 'initial_selection', undefined], ['late', 'retry_failed', 524], ['ready', 'retry_success', 200],
  ]);
  expect([byMode('never').length, byMode('ready').length]).toEqual([1, 1]);
});
