import { create, SubjectKind, wire } from '@hub/contract';
import { openRedis } from '@hub/limits';
import { silentLogger } from '@hub/service';
import { type Behaviour, cutAfter, eventually, healthy, healthyAnswer, never, redisAvailable, stallAfter, startRedis, startUpstream, status, type ScriptedUpstream, type TestRedis } from '@hub/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fields, key, messages, price, provider, settings, startControlPlane, startGateway, type TestControlPlane, type TestGateway, user } from '../boot.ts';
import { providerAt, send, useWorld } from './world.ts';

/** What users of other gateways complained about: budgets and limits that do not hold. */

const limits = (init: Fields<wire.SpendLimits>) => create(wire.SpendLimitsSchema, init);
const usd = (dollars: number) => BigInt(Math.round(dollars * 1e9));
const modelPrice = (model: string) => price(model, { input_cost_per_token: 0, output_cost_per_token: 1e-3 });
/** An answer of `max_tokens` 100 costs a tenth of a dollar, to the token. */
const tenCents = { max_tokens: 100 };

const maxTokens = ({ json }: { json: unknown }): number => Number((json as { max_tokens?: number }).max_tokens);
/** Says as much as it may. */
const talkative: Behaviour = { answer: (request) => healthyAnswer(request, { usage: { output: maxTokens(request) } }) };

describe.each([
  ['in memory', false],
  ['in Redis, two data planes', true],
])('%s', (_name, shared) => {
  const run = shared && !redisAvailable ? it.skip : it;
  let upstream: ScriptedUpstream;
  let redis: TestRedis | undefined;
  let controlPlane: TestControlPlane;
  const hubs: TestGateway[] = [];

  beforeAll(async () => {
    upstream = await startUpstream();
    if (shared && redisAvailable) redis = await startRedis();
  });
  afterAll(async () => {
    await upstream.close();
    await redis?.stop();
  });
  beforeEach(async () => {
    upstream.reset();
    await redis?.flush();
    controlPlane = await startControlPlane();
  });
  afterEach(async () => {
    for (const hub of hubs.splice(0)) await hub.stop();
    await controlPlane.stop();
  });

  async function boot(...rows: wire.Entity['entity'][]): Promise<void> {
    controlPlane.publish([settings(), modelPrice('claude-sonnet-4-5'), provider({ url: upstream.url, breakerFailureThreshold: 0 }), ...rows]);
    const env = redis === undefined ? {} : { REDIS_URL: redis.url, HUB_REDIS_TIMEOUT_MS: '5000' };
    for (let index = 0; index < (shared ? 2 : 1); index++) hubs.push(await startGateway(controlPlane, { env }));
    upstream.always(talkative);
  }
  const ask = (index: number, body: Record<string, unknown> = tenCents) => messages(hubs[index % hubs.length]?.url ?? '', { body });
  const together = async (count: number, body?: (index: number) => Record<string, unknown>) => {
    const responses = await Promise.all(Array.from({ length: count }, (_, index) => ask(index, body?.(index))));
    return responses.map((response) => response.status);
  };
  const served = (statuses: readonly number[]) => statuses.filter((code) => code === 200).length;

  run('A01, A03, A10 of 50 requests at once a hard budget for ten lets ten pass, and not a cent more is spent', async () => {
    await boot(user({ budgetEnforcement: 'hard', limits: limits({ totalNanos: usd(1) }) }), key());
    const statuses = await together(50);
    expect(served(statuses)).toBe(10);
    expect(statuses.filter((code) => code === 402)).toHaveLength(40);
    const records = await controlPlane.waitForRecords(10);
    expect(records.reduce((sum, record) => sum + Number(record.costUsd), 0)).toBeCloseTo(1, 9);
  });

  run('A04 the very first requests of a user, all at once, are bound by what the database knows of him', async () => {
    controlPlane.spent.set(`${SubjectKind.USER}/1`, usd(0.7));
    await boot(user({ budgetEnforcement: 'hard', limits: limits({ totalNanos: usd(1) }) }), key());
    expect(served(await together(20))).toBe(3);
  });

  run('A19 of 30 conversations at once exactly as many begin as may', async () => {
    await boot(user(), key({ limits: limits({ concurrentSessions: 5 }) }));
    const statuses = await together(30, (index) => ({ metadata: { user_id: `user_a_account__session_s${index}` } }));
    expect(served(statuses)).toBe(5);
    expect(statuses.filter((code) => code === 429)).toHaveLength(25);
  });

  run('A22 helper calls beside a conversation need no place of their own', async () => {
    await boot(user(), key({ limits: limits({ concurrentSessions: 1 }) }));
    const metadata = { user_id: 'user_a_account__session_only' };
    const stall = stallAfter(5);
    upstream.respond(stall);
    const turns = [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }, { role: 'user', content: 'c' }];
    const main = await ask(0, { stream: true, metadata, messages: turns });
    expect(await together(4, () => ({ metadata }))).toEqual([200, 200, 200, 200]);
    expect((await ask(0, { metadata: { user_id: 'user_a_account__session_other' } })).status).toBe(429);
    stall.resume();
    expect(await main.text()).toContain('message_stop');
  });
});

describe.skipIf(!redisAvailable)('a Redis that refuses to write', () => {
  it('A07 lets nobody past a hard budget', async () => {
    const redis = await startRedis();
    const upstream = await startUpstream();
    const controlPlane = await startControlPlane();
    const budget = { budgetEnforcement: 'hard', limits: limits({ totalNanos: usd(0.5) }) };
    controlPlane.publish([settings(), modelPrice('claude-sonnet-4-5'), provider({ url: upstream.url }), user(budget), key()]);
    const hub = await startGateway(controlPlane, { env: { REDIS_URL: redis.url, HUB_REDIS_TIMEOUT_MS: '5000' } });
    upstream.always(talkative);
    const client = await openRedis({ urls: redis.url, log: silentLogger });
    try {
      await client.config('SET', 'maxmemory-policy', 'noeviction');
      await client.config('SET', 'maxmemory', '1');
      const responses = await Promise.all(Array.from({ length: 20 }, () => messages(hub.url, { body: tenCents })));
      expect(responses.filter((response) => response.status === 200)).toHaveLength(5);
      expect(hub.gateway.admissionTools.limiter.mode).toBe('local');
    } finally {
      client.disconnect();
      await hub.stop();
      await controlPlane.stop();
      await upstream.close();
      await redis.stop();
    }
  });
});

describe('budgets', () => {
  const world = useWorld();
  const limitTypes = { totalNanos: 'usd_total', fiveHourNanos: 'usd_5h', dailyNanos: 'daily_quota', weeklyNanos: 'usd_weekly', monthlyNanos: 'usd_monthly' } as const;
  const ask = (body: Record<string, unknown> = tenCents, signal?: AbortSignal) => messages(world.hub.url, { body, ...(signal && { signal }) });
  let subjects = 10;
  /** A user with counters that nobody has used, and his key. */
  const fresh = (ofUser: Fields<wire.User> = {}, ofKey: Fields<wire.Key> = {}) => {
    subjects += 1;
    return [user({ id: subjects, ...ofUser }), key({ id: subjects, userId: subjects, ...ofKey })] as const;
  };
  const publish = async (...rows: wire.Entity['entity'][]) => {
    await world.controlPlane.waitForAck(world.controlPlane.publish([settings(), modelPrice('claude-sonnet-4-5'), modelPrice('gpt-4o'), modelPrice('gemini-2.5-pro'), ...rows]));
    world.upstream.always(talkative, 'main');
  };

  it('A02 nobody is trusted, however small a request is beside the budget', async () => {
    await publish(...fresh({ budgetEnforcement: 'hard', limits: limits({ totalNanos: usd(12) }) }), providerAt(world, 'main'));
    const statuses = await Promise.all(Array.from({ length: 150 }, async () => (await ask()).status));
    expect(statuses.filter((code) => code === 200)).toHaveLength(120);
  });

  const rules = Object.keys(limitTypes) as (keyof typeof limitTypes)[];
  it.each(rules.flatMap((rule) => (['key', 'user', 'both'] as const).map((whose) => [rule, whose] as const)))('A05, A17 %s of %s is enforced, whatever the other has', async (rule, whose) => {
    const low = { limits: limits({ [rule]: usd(0.05) }) };
    const high = { limits: limits({ [rule]: usd(1000) }) };
    await publish(...fresh(whose === 'user' ? low : whose === 'both' ? high : {}, whose === 'user' ? {} : low), providerAt(world, 'main'));
    expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect(refused.status).toBe(402);
    expect(await refused.json()).toMatchObject({ error: { limit_type: limitTypes[rule], current: 0.1, limit: 0.05 } });
  });

  it.each(rules)('A05, A17 %s of a provider is enforced', async (rule) => {
    const id = (subjects += 1);
    await publish(...fresh(), providerAt(world, 'main', { id, limits: limits({ [rule]: usd(0.05) }) }));
    expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(503);
    expect(world.upstream.requests).toHaveLength(1);
  });

  it('A09 nobody without a limit is refused, whatever was spent', async () => {
    const [owner, itsKey] = fresh({ budgetEnforcement: 'hard' });
    for (const kind of [SubjectKind.USER, SubjectKind.KEY]) world.controlPlane.spent.set(`${kind}/${subjects}`, usd(1_000_000));
    await publish(owner, itsKey, providerAt(world, 'main'));
    expect((await ask()).status).toBe(200);
  });

  const chat = { path: '/v1/chat/completions', body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'x' }], max_tokens: 10, max_completion_tokens: 100, n: 5 } };
  const gemini = { path: '/v1beta/models/gemini-2.5-pro:generateContent', body: { contents: [{ role: 'user', parts: [{ text: 'x' }] }], generationConfig: { maxOutputTokens: 100, candidateCount: 5 } } };
  it.each([
    ['n of Chat Completions', 'openai-compatible', chat, (json: Record<string, never>) => Number(json['n']) * Number(json['max_completion_tokens'])],
    ['candidateCount of Gemini', 'gemini', gemini, (json: { generationConfig: Record<string, number> }) => (json.generationConfig['candidateCount'] ?? 1) * (json.generationConfig['maxOutputTokens'] ?? 0)],
  ] as const)('A08 a request for several answers is counted as that: %s', async (_name, providerType, request, most) => {
    await publish(...fresh({ budgetEnforcement: 'hard', limits: limits({ totalNanos: usd(0.2) }) }), providerAt(world, 'main', { providerType }));
    world.upstream.always({ answer: (asked) => healthyAnswer(asked, { usage: { output: most(asked.json as never) } }) }, 'main');
    const response = await send(world.hub.url, request);
    expect([200, 402]).toContain(response.status);
    if (response.status === 200) expect(Number((await world.record()).costUsd)).toBeLessThanOrEqual(0.2);
  });

  const left = async (body: Record<string, unknown>) => {
    const abort = new AbortController();
    const pending = ask({ ...tenCents, ...body }, abort.signal);
    await world.upstream.waitForRequests(1);
    if (body['stream'] === true) await (await pending).body?.getReader().read();
    abort.abort();
    await pending.catch(() => undefined);
  };
  const ended = async (body: Record<string, unknown> = {}) => void (await (await ask({ ...tenCents, ...body })).text().catch(() => ''));
  const ends: [string, Behaviour, () => Promise<void>][] = [
    ['an answer that cost less', healthy({ usage: { output: 1 } }), () => ended()],
    ['a refusal of the upstream', status(400), () => ended()],
    ['nobody who could serve it', status(500), () => ended()],
    ['a client that left before the answer', never(), () => left({})],
    ['a client that left in the middle', stallAfter(5, healthy({ usage: { output: 1 } })), () => left({ stream: true })],
    ['an upstream that broke off', cutAfter(1200, healthy({ usage: { output: 1 } })), () => ended({ stream: true })],
    ['an upstream that fell silent', stallAfter(5, healthy({ usage: { output: 1 } })), () => ended({ stream: true })],
    ['an upstream that never began', never(), () => ended({ stream: true })],
  ];
  it.each(ends)('A06 nothing stays reserved after %s', async (_name, behaviour, finish) => {
    await publish(...fresh({ budgetEnforcement: 'hard', limits: limits({ totalNanos: usd(0.15) }) }), providerAt(world, 'main', { firstByteTimeoutMs: 200, streamIdleTimeoutMs: 200 }));
    world.upstream.respond(behaviour, 'main');
    await finish();
    await eventually(() => 'nothing to be held', async () => ((await holds()) === 0 ? true : undefined));
    expect((await ask()).status).toBe(200);
    // What is left affords the whole answer: it was asked for without a cap.
    expect(maxTokens(world.upstream.requests.at(-1) ?? { json: {} })).toBe(100);
  });
  const holds = async () => Number(/^hub_limits_holds (.*)$/m.exec(await world.hub.gateway.metrics.registry.metrics())?.[1]);
});

describe('keys', () => {
  const world = useWorld();

  it('A20 a key that was switched off is told so every time, and does not lock its colleagues out', async () => {
    const [off, expired] = ['sk-switched-off-0000', 'sk-has-expired-00000'];
    await world.publish(key({ id: 2, enabled: false }, off), key({ id: 3, expiresAtMs: 1n }, expired), providerAt(world, 'main'));
    for (let index = 0; index < 25; index++) {
      const response = await messages(world.hub.url, { headers: { 'x-api-key': index % 2 === 0 ? off : expired } });
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    }
    expect((await messages(world.hub.url)).status).toBe(200);
  });
});
