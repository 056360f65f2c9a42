import { anthropicStream, eventually, type Hub, type MessageRow, redisAvailable, say, stallAfter, startHub, startRedis, status, type TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

/**
 * Those of the cases 39 to 60 that leave something behind: both planes as processes on a real database, and Redis where
 * there is one. Every case has a group of its own.
 */

const model = 'claude-sonnet-4-5-20250929';
let redis: TestRedis | undefined;
let hub: Hub;

beforeAll(async () => {
  redis = redisAvailable ? await startRedis() : undefined;
  hub = await startHub(redis === undefined ? {} : { redis });
  await hub.setPrices({
    [model]: { input_cost_per_token: 3e-6, output_cost_per_token: 15e-6 },
    'claude-a': { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 },
    'claude-b': { input_cost_per_token: 5e-6, output_cost_per_token: 5e-6 },
    'claude-j59': { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 },
  });
});
afterAll(async () => {
  await hub.stop();
  await redis?.stop();
});
beforeEach(() => hub.upstream.reset());

/** A user of the group with its key, and the providers of the group. */
async function group(name: string, providers: readonly Readonly<Record<string, unknown>>[], user: Readonly<Record<string, unknown>> = {}) {
  const made = [];
  for (const [index, init] of providers.entries()) {
    const at = `${name}-${index}`;
    made.push(await hub.createProvider({ name: at, url: hub.upstream.urlFor(at), group_tag: name, priority: index, provider_type: 'claude', ...init }));
  }
  const caller = await hub.createUser({ providerGroup: name, ...user });
  return { caller, providers: made, mode: (index: number) => `${name}-${index}` };
}

const body = (init: Readonly<Record<string, unknown>> = {}) => ({ model, max_tokens: 64, messages: [{ role: 'user', content: 'hello there' }], ...init });
const ask = (key: string, init: Readonly<Record<string, unknown>> = {}, path = '/v1/messages') =>
  hub.send(path, body(init), { key, headers: { 'anthropic-version': '2023-06-01', 'user-agent': 'claude-cli/2.0.14 (external, cli)' } });
const calls = (mode: string) => hub.upstream.requests.filter((request) => request.mode === mode).length;
const ofUser = (userId: number) => hub.database.query('SELECT * FROM message_request WHERE user_id = $1 ORDER BY id', [userId]);

async function rowsOf(userId: number, count: number): Promise<MessageRow[]> {
  return eventually(() => `${count} rows of user ${userId}`, async () => {
    const rows = await ofUser(userId);
    return rows.length >= count ? rows : undefined;
  });
}
const chainOf = (row: MessageRow | undefined) => (row?.['provider_chain'] ?? []) as Record<string, unknown>[];
const reasonsOf = (row: MessageRow | undefined) => chainOf(row).map(({ reason }) => reason);

interface Health {
  readonly circuitState: string;
  readonly failureCount: number;
  readonly recoveryMinutes: number | null;
}
const healthOf = async (id: number | undefined) => (await hub.admin<Record<string, Health>>('providers/getProvidersHealthStatus'))[String(id)];

it('41: whoever calls after his time is switched off', async () => {
  const { caller } = await group('g41', [{}]);
  await hub.database.query("UPDATE users SET expires_at = '2025-01-01' WHERE id = $1", [caller.id]);
  await hub.inForce();
  const response = await ask(caller.key);
  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ error: { type: 'user_expired', code: 'user_expired' } });
  await eventually(() => 'the user to be off', async () => {
    const [row] = await hub.database.query('SELECT is_enabled FROM users WHERE id = $1', [caller.id]);
    return row?.['is_enabled'] === false ? true : undefined;
  });
  expect(await ofUser(caller.id)).toEqual([]);
});

it('46: a warm-up is answered here and leaves a row that costs nothing', async () => {
  const { caller, mode } = await group('g46', [{}]);
  await hub.database.query('INSERT INTO system_settings DEFAULT VALUES ON CONFLICT DO NOTHING');
  await hub.database.query('UPDATE system_settings SET intercept_anthropic_warmup_requests = true');
  await hub.inForce();
  const warmup = [{ role: 'user', content: [{ type: 'text', text: ' Warmup ', cache_control: { type: 'ephemeral' } }] }];
  const response = await ask(caller.key, { messages: warmup, stream: true });
  expect(response.status).toBe(200);
  expect(response.headers.get('x-cch-intercepted')).toBe('warmup');
  expect(response.headers.get('x-cch-intercepted-by')).toBe('claude-code-hub');
  expect(await response.json()).toMatchObject({ id: expect.stringMatching(/^msg_cch_[0-9a-f]{16}$/), type: 'message', model, usage: { input_tokens: 0, output_tokens: 0 } });
  const [row] = await rowsOf(caller.id, 1);
  expect(row).toMatchObject({ blocked_by: 'warmup', provider_id: 0, status_code: 200, cost_usd: null, model });
  expect(row?.['ttfb_ms']).toBe(row?.['duration_ms']);
  expect(calls(mode(0))).toBe(0);
});

describe('50: the lowest priority number gets everything', () => {
  it('until its breaker opens', async () => {
    const { caller, providers, mode } = await group('g50', [{ circuit_breaker_failure_threshold: 1 }, {}]);
    for (let count = 0; count < 4; count++) expect((await ask(caller.key)).status).toBe(200);
    expect([calls(mode(0)), calls(mode(1))]).toEqual([4, 0]);
    hub.upstream.always(status(500), mode(0));
    expect((await ask(caller.key)).status).toBe(200);
    expect([calls(mode(0)), calls(mode(1))]).toEqual([6, 1]);
    expect((await ask(caller.key)).status).toBe(200);
    expect([calls(mode(0)), calls(mode(1))]).toEqual([6, 2]);
    const rows = await rowsOf(caller.id, 6);
    expect(reasonsOf(rows[4])).toEqual(['initial_selection', 'retry_failed', 'retry_failed', 'retry_success']);
    expect(chainOf(rows[4])[2]).toMatchObject({ attemptNumber: 2, statusCode: 500, circuitFailureCount: 1, circuitFailureThreshold: 1 });
    expect(chainOf(rows[5])[0]).toMatchObject({ id: providers[1]?.id, decisionContext: { filteredProviders: [{ id: providers[0]?.id, reason: 'circuit_open' }] } });
    if (redis !== undefined) expect(await healthOf(providers[0]?.id)).toMatchObject({ circuitState: 'open', failureCount: 1, recoveryMinutes: 30 });
  });
});

it('52: a redirected model is asked for, and the original one billed', async () => {
  const { caller } = await group('g52', [{ model_redirects: { 'claude-a': 'claude-b' } }]);
  expect((await ask(caller.key, { model: 'claude-a' })).status).toBe(200);
  expect(hub.upstream.requests[0]?.json).toMatchObject({ model: 'claude-b' });
  const [row] = await rowsOf(caller.id, 1);
  // 120 in, 42 out, 3000 read, 150 written for 5 minutes, 50 for an hour: 707.5 times the input price and 42 times the output price.
  expect(row).toMatchObject({ model: 'claude-b', original_model: 'claude-a', cost_usd: '0.000791500000000' });
  expect(chainOf(row)[0]).toMatchObject({ modelRedirect: { originalModel: 'claude-a', redirectedModel: 'claude-b', billingModel: 'claude-a' } });
});

it('53: two attempts, then the next provider, to which the session then belongs', async () => {
  const { caller, providers, mode } = await group('g53', [{ max_retry_attempts: 2 }, {}]);
  hub.upstream.always(status(500), mode(0));
  const conversation = {
    metadata: { user_id: 'user_a_account__session_case-53' },
    messages: [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }],
  };
  expect((await ask(caller.key, conversation)).status).toBe(200);
  expect([calls(mode(0)), calls(mode(1))]).toEqual([2, 1]);
  expect((await ask(caller.key, conversation)).status).toBe(200);
  expect([calls(mode(0)), calls(mode(1))]).toEqual([2, 2]);
  const [first, second] = await rowsOf(caller.id, 2);
  expect(reasonsOf(first)).toEqual(['initial_selection', 'retry_failed', 'retry_failed', 'retry_success']);
  expect(first).toMatchObject({ provider_id: providers[1]?.id, status_code: 200, session_id: 'case-53', request_sequence: 1 });
  expect(reasonsOf(second)).toEqual(['session_reuse', 'request_success']);
  expect(second).toMatchObject({ session_id: 'case-53', request_sequence: 2 });
});

it('54: a refused provider key: two calls, 503, one failure of the breaker, and the row knows the status', async () => {
  const { caller, providers, mode } = await group('g54', [{}]);
  hub.upstream.always(status(401), mode(0));
  const response = await ask(caller.key);
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ error: { type: 'service_unavailable_error', code: 'service_unavailable_error' } });
  expect(calls(mode(0))).toBe(2);
  const [row] = await rowsOf(caller.id, 1);
  expect(row).toMatchObject({ status_code: 401, cost_usd: '0.000000000000000', error_message: expect.stringMatching(/^Provider g54-0 returned 401: authentication_error/) });
  if (redis !== undefined) expect(await healthOf(providers[0]?.id)).toMatchObject({ circuitState: 'closed', failureCount: 1 });
});

it('56: count_tokens passes a refusal on at once and leaves no row', async () => {
  const { caller, mode } = await group('g56', [{}]);
  hub.upstream.always(status(500), mode(0));
  expect((await ask(caller.key, {}, '/v1/messages/count_tokens')).status).toBe(500);
  expect(calls(mode(0))).toBe(1);
  hub.upstream.reset();
  expect((await ask(caller.key)).status).toBe(200);
  expect((await rowsOf(caller.id, 1)).map((row) => row['endpoint'])).toEqual(['/v1/messages']);
});

it('57: a day’s budget that the database knows to be spent → 402', async () => {
  const { caller, providers, mode } = await group('g57', [{}]);
  const limited = await hub.createKey({ userId: caller.id, providerGroup: 'g57', limitDailyUsd: 1 });
  await hub.database.query('INSERT INTO message_request (provider_id, user_id, key, model, cost_usd, status_code, duration_ms) VALUES ($1, $2, $3, $4, 1, 200, 5)', [
    providers[0]?.id, caller.id, limited.key, model,
  ]);
  const response = await ask(limited.key);
  expect(response.status).toBe(402);
  expect(await response.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'rate_limit_exceeded', limit_type: 'daily_quota', current: 1, limit: 1 } });
  expect(response.headers.get('x-ratelimit-type')).toBe('daily_quota');
  expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(calls(mode(0))).toBe(0);
  expect((await ask(caller.key)).status).toBe(200);
});

it('59: the tokens of a stream, priced to the last digit', async () => {
  const { caller, mode } = await group('g59', [{ cost_multiplier: 2 }]);
  const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const usage = { input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 };
  const frames = [
    event('message_start', { message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-j59', content: [], stop_reason: null, usage } }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'hi' } }),
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 7 } }),
    event('message_stop', {}),
  ];
  hub.upstream.always(say(frames), mode(0));
  const response = await ask(caller.key, { model: 'claude-j59', stream: true });
  expect(await response.text()).toBe(frames.join(''));
  const [row] = await rowsOf(caller.id, 1);
  expect(row).toMatchObject({ input_tokens: 10, output_tokens: 7, cache_read_input_tokens: 5, cost_usd: '0.000049000000000', cost_multiplier: '2.0000' });
});

it('x3: a 404 goes to the next provider and is no failure of the breaker', async () => {
  const { caller, providers, mode } = await group('gx3', [{ circuit_breaker_failure_threshold: 1 }, {}]);
  hub.upstream.always(status(404), mode(0));
  expect([(await ask(caller.key)).status, (await ask(caller.key)).status]).toEqual([200, 200]);
  expect([calls(mode(0)), calls(mode(1))]).toEqual([4, 2]);
  const [row] = await rowsOf(caller.id, 2);
  expect(reasonsOf(row)).toEqual(['initial_selection', 'resource_not_found', 'resource_not_found', 'retry_success']);
  if (redis !== undefined) expect(await healthOf(providers[0]?.id)).toMatchObject({ circuitState: 'closed', failureCount: 0 });
});

describe('x5: a client that leaves a stream still pays for it', () => {
  it('after the first words', async () => {
    const { caller, mode } = await group('gx5', [{}]);
    hub.upstream.respond(stallAfter(5), mode(0));
    const leave = new AbortController();
    const response = await hub.send('/v1/messages', body({ stream: true }), { key: caller.key, headers: { 'anthropic-version': '2023-06-01' }, signal: leave.signal });
    await response.body?.getReader().read();
    leave.abort();
    await hub.upstream.requests[0]?.whenAborted;
    const [row] = await rowsOf(caller.id, 1);
    expect(row).toMatchObject({ status_code: 200, input_tokens: 120, cache_read_input_tokens: 3000, usage_estimated: true });
    expect(Number(row?.['output_tokens'])).toBeGreaterThan(0);
    expect(Number(row?.['cost_usd'])).toBeGreaterThan(0.0021);
  });

  it('before them, when the provider has already counted what it read', async () => {
    const { caller, mode } = await group('gx5b', [{}]);
    // All that comes before the first content.
    const preamble = stallAfter(anthropicStream().findIndex((frame) => frame.includes('content_block_delta')));
    hub.upstream.respond(preamble, mode(0));
    const leave = new AbortController();
    const pending = hub.send('/v1/messages', body({ stream: true }), { key: caller.key, headers: { 'anthropic-version': '2023-06-01' }, signal: leave.signal }).catch(() => undefined);
    await preamble.reached;
    // Whatever the data plane received before it answered this, it has read.
    await (await hub.send('/v1/messages', undefined, { method: 'OPTIONS' })).text();
    leave.abort();
    await pending;
    const [row] = await rowsOf(caller.id, 1);
    // As if its one token of output had been all: 0.0027525 less 41 tokens.
    expect(row).toMatchObject({ status_code: 499, input_tokens: 120, output_tokens: 1, cost_usd: '0.002137500000000' });
  });
});
