import { create, SubjectKind, wire } from '@hub/contract';
import { eventually, redisAvailable, type ScriptedUpstream, stallAfter, startRedis, startUpstream, status, type TestRedis } from '@hub/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fields, key, messages, price, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, user } from './boot.ts';

const limits = (init: Fields<wire.SpendLimits>) => create(wire.SpendLimitsSchema, init);
const priced = price('claude-sonnet-4-5', { input_cost_per_token: 1e-6, output_cost_per_token: 1e-3 });
/** What one answer of the scripted upstream costs at that price. Nano-dollars. */
let oneAnswer = 0n;

let upstream: ScriptedUpstream;
let redis: TestRedis | undefined;
let controlPlane: TestControlPlane;
const hubs: TestGateway[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
  if (redisAvailable) redis = await startRedis();
});
afterAll(async () => {
  await upstream.close();
  await redis?.stop();
});

describe.each([
  ['in memory', false],
  ['in Redis, two data planes', true],
])('limits %s', (_name, shared) => {
  const run = shared && !redisAvailable ? it.skip : it;

  beforeEach(async () => {
    upstream.reset();
    await redis?.flush();
    controlPlane = await startControlPlane();
  });
  afterEach(async () => {
    for (const hub of hubs.splice(0)) await hub.stop();
    await controlPlane.stop();
  });

  async function boot(...rows: wire.Entity['entity'][]): Promise<TestGateway[]> {
    controlPlane.publish([settings(), priced, provider({ url: upstream.url, breakerFailureThreshold: 0 }), ...rows]);
    const env = shared && redis !== undefined ? { REDIS_URL: redis.url, HUB_REDIS_TIMEOUT_MS: '5000' } : {};
    for (let index = 0; index < (shared ? 2 : 1); index++) hubs.push(await startGateway(controlPlane, { env }));
    return hubs;
  }
  const ask = (index: number, body: Record<string, unknown> = {}) => messages(hubs[index % hubs.length]?.url ?? '', { body });

  // A14 in docs/complaints.md.
  run('200 parallel requests against RPM 60 pass exactly 60', async () => {
    await boot(user({ rpm: 60 }), key());
    const responses = await Promise.all(Array.from({ length: 200 }, (_, index) => ask(index)));
    const statuses = responses.map((response) => response.status);
    expect(statuses.filter((code) => code === 200)).toHaveLength(60);
    expect(statuses.filter((code) => code === 429)).toHaveLength(140);
    const refused = responses.find((response) => response.status === 429);
    expect(refused?.headers.get('x-ratelimit-type')).toBe('rpm');
    expect(refused?.headers.get('x-ratelimit-limit')).toBe('60');
    expect(Number(refused?.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(await refused?.json()).toMatchObject({
      type: 'error',
      error: { type: 'rate_limit_error', code: 'rate_limit_exceeded', limit_type: 'rpm', current: 60, limit: 60, reset_time: expect.any(String) },
    });
    expect(await controlPlane.waitForRecords(60)).toHaveLength(60);
  });

  run('spending: refused from the moment on at which it has reached the limit', async () => {
    await boot(user(), key({ limits: limits({ dailyNanos: 1_000_000n }) }));
    const first = await ask(0);
    expect(first.status).toBe(200);
    await first.text();
    const [record] = await controlPlane.waitForRecords(1);
    oneAnswer = BigInt(Math.round(Number(record?.costUsd) * 1e9));
    expect(oneAnswer).toBeGreaterThan(1_000_000n);
    const second = await eventually(
      () => 'the refusal',
      async () => {
        const response = await ask(1);
        return response.status === 402 ? response : undefined;
      },
    );
    expect(second.headers.get('x-ratelimit-type')).toBe('daily_quota');
    expect(await second.json()).toMatchObject({ error: { code: 'rate_limit_exceeded', limit_type: 'daily_quota', limit: 0.001 } });
  });

  run('what the database knows counts when counters are missing', async () => {
    controlPlane.spent.set(`${SubjectKind.USER}/1`, 5_000_000_000n);
    await boot(user({ limits: limits({ totalNanos: 4_000_000_000n }) }), key());
    const response = await ask(0);
    expect(response.status).toBe(402);
    expect(await response.json()).toMatchObject({ error: { limit_type: 'usd_total', current: 5, limit: 4, reset_time: '9999-12-31T23:59:59.999Z' } });
  });

  // A16 in docs/complaints.md.
  run('a user’s limit holds over all keys of the user', async () => {
    await boot(user({ rpm: 1 }), key(), key({ id: 2 }, 'sk-second-key-00000000'));
    expect((await ask(0)).status).toBe(200);
    expect((await messages(hubs[0]?.url ?? '', { headers: { 'x-api-key': 'sk-second-key-00000000' } })).status).toBe(429);
  });

  run('concurrent sessions: never more than allowed, free again when a stream ends or its client leaves', async () => {
    await boot(user(), key({ limits: limits({ concurrentSessions: 2 }) }));
    const stalls = [stallAfter(5), stallAfter(5)];
    for (const stall of stalls) upstream.respond(stall);
    const session = (name: string) => ({ stream: true, metadata: { user_id: `user_a_account__session_${name}` } });
    const open = await Promise.all([ask(0, session('one')), ask(1, session('two'))]);
    expect(open.map((response) => response.status)).toEqual([200, 200]);
    const third = await ask(0, session('three'));
    expect(third.status).toBe(429);
    expect(await third.json()).toMatchObject({ error: { limit_type: 'concurrent_sessions', current: 2, limit: 2 } });
    for (const stall of stalls) stall.resume();
    await Promise.all(open.map((response) => response.text()));
  });

  run('hard budgets: what could exceed the limit is capped or refused before it is sent', async () => {
    await boot(user(), key({ budgetEnforcement: 'hard', limits: limits({ totalNanos: 20_000_000n }) }));
    const capped = await ask(0, { max_tokens: 1000 });
    expect(capped.status).toBe(200);
    const sent = upstream.requests[0]?.json as { max_tokens: number };
    expect(sent.max_tokens).toBeLessThan(20);
    expect(sent.max_tokens).toBeGreaterThan(0);
    const parallel = await Promise.all(Array.from({ length: 10 }, (_, index) => ask(index, { max_tokens: 1000 })));
    expect(parallel.every((response) => response.status === 402 || response.status === 200)).toBe(true);
    expect(parallel.some((response) => response.status === 402)).toBe(true);
  });

  run('a breaker opens for all nodes after its failures and sends the next request elsewhere', async () => {
    const flaky = provider({ id: 5, name: 'flaky', url: upstream.urlFor('flaky'), priority: -1, maxRetryAttempts: 1, breakerFailureThreshold: 2 });
    await boot(user(), key(), flaky);
    upstream.always(status(500, '{"error":{"message":"boom"}}'), 'flaky');
    for (let index = 0; index < 2; index++) expect((await ask(0)).status).toBe(200);
    const calls = () => upstream.requests.filter((request) => request.mode === 'flaky').length;
    expect(calls()).toBe(2);
    await eventually(() => 'the other node to know', async () => hubs.every((hub) => hub.gateway.attemptTools.breakers.record(5).phase === 'open') || undefined);
    for (const index of [0, 1, 2, 3]) expect((await ask(index)).status).toBe(200);
    expect(calls()).toBe(2);
    await eventually(() => 'the event', async () => controlPlane.events.some((event) => event.event.case === 'breakerOpened') || undefined);
  });

  run('a conversation stays with its provider; a new one is free to choose', async () => {
    const others = [6, 7, 8, 9].map((id) => provider({ id, name: `p${id}`, url: upstream.urlFor(`p${id}`), breakerFailureThreshold: 0 }));
    await boot(user(), key(), ...others);
    const conversation = {
      metadata: { user_id: 'user_a_account__session_sticky-one' },
      messages: [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }],
    };
    for (let index = 0; index < 8; index++) expect((await ask(index, conversation)).status).toBe(200);
    const records = await controlPlane.waitForRecords(8);
    expect(new Set(records.map((record) => record.providerId)).size).toBe(1);
    expect(records.map((record) => record.requestSequence).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(JSON.parse(records.at(-1)?.providerChainJson ?? '')[0]).toMatchObject({ reason: 'session_reuse' });
  });
});
