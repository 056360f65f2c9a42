import { createBreakers, createLimiter, createSessionDirectory, type Limiter, type LimitRules, openRedis, type SessionInfo, type Subject, type WarmUp } from '@hub/limits';
import { recordId, silentLogger } from '@hub/service';
import { type FakeClock, fakeClock, freePort, golden, goldenAvailable, redisAvailable, redisControllable, startRedis, type TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { LiveState } from '../src/live-state.ts';
import { openLiveState } from '../src/live-state-redis.ts';
import { type Api, startApi } from './management-api.ts';

type Row = Record<string, unknown>;

const timeZone = 'Asia/Shanghai';
const closed = { circuitState: 'closed', failureCount: 0, lastFailureTime: null, circuitOpenUntil: null, recoveryMinutes: null };

/** The management API beside what a data plane keeps in a Redis. */
describe.skipIf(!redisAvailable)('the shared state', () => {
  let redis: TestRedis;
  let clock: FakeClock;
  let live: LiveState;
  let api: Api;
  beforeAll(async () => {
    redis = await startRedis();
    clock = fakeClock(Date.parse('2026-11-25T04:00:00Z'));
    // A shared test machine may pause longer than a production one.
    live = await openLiveState({ redisUrl: redis.url, clock, log: silentLogger, timeZone, patienceMs: 5000 });
    api = await startApi({ clock, live });
  });
  afterAll(async () => {
    expect(api.errors).toEqual([]);
    await api.close();
    await live.close();
    await redis.stop();
  });

  const rows = (sql: string, ...values: unknown[]): Promise<Row[]> => api.database.query(sql, values);
  const data = async (action: string, body: object = {}): Promise<Row> => (await api.data(action, body)) as Row;

  const addProvider = async (fields: Row & { name: string }): Promise<number> => {
    await api.data('providers/addProvider', { url: 'https://api.example.com', key: 'sk-upstream-0123456789', ...fields });
    const [row] = await rows('SELECT id FROM providers WHERE name = $1', fields.name);
    return Number(row?.['id']);
  };

  /** A data plane's parts, on a connection of their own. */
  async function dataPlane() {
    const connection = await openRedis({ urls: redis.url, log: silentLogger, waitMs: 10_000 });
    const base = { redis: connection, clock, log: silentLogger };
    const warm: WarmUp = async ({ queries }) => ({ answers: queries.map(() => ({ totalNanos: 0n, buckets: [] })), recent: [] });
    const limiter = createLimiter({ ...base, warm, redisTimeoutMs: 5000 });
    const breakers = createBreakers({ ...base, redisTimeoutMs: 5000 });
    const sessions = createSessionDirectory(base);
    onTestFinished(async () => {
      await sessions.close();
      breakers.close();
      await limiter.close();
      connection.disconnect();
    });
    return { limiter, breakers, sessions };
  }

  const none: LimitRules = {
    fiveHourNanos: undefined,
    dailyNanos: undefined,
    weeklyNanos: undefined,
    monthlyNanos: undefined,
    totalNanos: undefined,
    concurrentSessions: undefined,
    dailyReset: { mode: 'fixed', minuteOfDay: 0 },
  };

  /** One request that cost so much; its session stays active. */
  async function spend(limiter: Limiter, subjects: { key: Subject; user: Subject; provider: Subject }, nanos: bigint): Promise<void> {
    const { provider, ...who } = subjects;
    const answer = await limiter.reserve({ ...who, provider, recordId: recordId(clock.now()), now: clock.now(), timeZone, session: { id: 's' } });
    if (!answer.ok) throw new Error('refused');
    await answer.hold.settle({ nanos, now: clock.now() });
  }

  it('says what limits are at, as requests are checked; without counters the log does', async () => {
    const { limiter } = await dataPlane();
    const { id, keyId } = await api.createUser({ name: 'spender', dailyQuota: 9, dailyResetMode: 'rolling' });
    await api.data('keys/editKey', { keyId, name: 'default', limit5hUsd: 2, limitDailyUsd: 3, dailyResetTime: '08:30' });
    const providerId = await addProvider({ name: 'spent', limit_weekly_usd: 7, limit_concurrent_sessions: 5 });
    await rows('INSERT INTO message_request (user_id, key_id, provider_id, key, model, cost_usd, created_at) VALUES ($1, $2, $3, $4, $5, 0.25, $6)', id, keyId, providerId, 'x', 'm', new Date(clock.now() - 60_000));
    const usage = async () => ({
      key: await data('keys/getKeyLimitUsage', { keyId }),
      user: await data('users/getUserLimitUsage', { userId: id }),
      provider: await data('providers/getProviderLimitUsage', { providerId }),
    });
    const fromLog = { key: { cost5h: { current: 0.25 }, costTotal: { current: 0.25 } }, user: { dailyCost: { current: 0.25 } }, provider: { costWeekly: { current: 0.25 } } };
    expect(await usage()).toMatchObject(fromLog);

    await spend(
      limiter,
      {
        key: { kind: 'key', id: keyId, rules: { ...none, fiveHourNanos: 2_000_000_000n, dailyNanos: 3_000_000_000n, dailyReset: { mode: 'fixed', minuteOfDay: 510 } } },
        user: { kind: 'user', id, rules: { ...none, dailyNanos: 9_000_000_000n, dailyReset: { mode: 'rolling', minuteOfDay: 0 } } },
        provider: { kind: 'provider', id: providerId, rules: { ...none, weeklyNanos: 7_000_000_000n, concurrentSessions: 5 } },
      },
      1_500_000_001n,
    );
    const spent = { current: 1.500000001 };
    expect(await usage()).toMatchObject({
      key: { cost5h: { ...spent, limit: 2 }, costDaily: { ...spent, limit: 3 }, costMonthly: { ...spent, limit: null }, costTotal: spent, concurrentSessions: { current: 1, limit: 0 } },
      user: { dailyCost: { ...spent, limit: 9 } },
      provider: { cost5h: spent, costDaily: spent, costWeekly: { ...spent, limit: 7 }, concurrentSessions: { current: 1, limit: 5 } },
    });
    // The counters now answer another question than the one about the key's day.
    await api.data('keys/editKey', { keyId, name: 'default', limit5hUsd: 2, limitDailyUsd: 3, dailyResetTime: '09:30' });
    expect((await usage()).key).toMatchObject({ cost5h: { current: 0.25 }, concurrentSessions: { current: 1 } });
    await redis.flush();
    expect(await usage()).toMatchObject({ ...fromLog, provider: { ...fromLog.provider, concurrentSessions: { current: 0 } } });
  });

  it('has the breakers, which can be closed on all data planes', async () => {
    const { breakers } = await dataPlane();
    const rules = { failureThreshold: 2, openMs: 90_000, halfOpenSuccesses: 1 };
    const breaker = { circuit_breaker_failure_threshold: 2, circuit_breaker_open_duration: 90_000, circuit_breaker_half_open_success_threshold: 1 };
    const [first, second, untouched] = [await addProvider({ name: 'b1', ...breaker }), await addProvider({ name: 'b2', ...breaker }), await addProvider({ name: 'b3' })];
    await breakers.watch([first, second]);
    const fail = async (id: number, times: number): Promise<void> => {
      for (let time = 0; time < times; time += 1) (await breakers.acquire(id, rules, clock.now()))?.failure(clock.now());
      await breakers.settled();
    };
    const health = async (id: number) => (await data('providers/getProvidersHealthStatus'))[id];
    await fail(first, 1);
    await fail(second, 2);
    const at = clock.now();
    await expect.poll(() => health(first)).toEqual({ ...closed, failureCount: 1, lastFailureTime: at });
    await expect.poll(() => health(second)).toEqual({ circuitState: 'open', failureCount: 2, lastFailureTime: at, circuitOpenUntil: at + 90_000, recoveryMinutes: 2 });
    expect(await health(untouched)).toEqual(closed);

    clock.advance(90_000);
    expect(await health(second)).toEqual({ circuitState: 'half-open', failureCount: 2, lastFailureTime: at, circuitOpenUntil: null, recoveryMinutes: null });
    await api.data('providers/editProvider', { providerId: second, circuit_breaker_failure_threshold: 0 });
    expect(await health(second)).toMatchObject({ circuitState: 'closed' });
    await api.data('providers/editProvider', { providerId: second, circuit_breaker_failure_threshold: 2 });

    await api.data('providers/resetProviderCircuit', { providerId: second });
    expect(await health(second)).toEqual(closed);
    await expect.poll(() => breakers.record(second)).toMatchObject({ phase: 'closed', failures: 0 });
    const [audit] = await rows("SELECT entity, entity_id, before, after FROM hub_audit_log WHERE action = 'providers/resetProviderCircuit' ORDER BY id DESC LIMIT 1");
    expect(audit).toMatchObject({ entity: 'provider', entity_id: second, before: { circuitState: 'half-open', failureCount: 2 }, after: { circuitState: 'closed' } });
    expect(await api.call('providers/resetProviderCircuit', { providerId: 2_000_000 })).toMatchObject({ status: 200, body: { ok: true } });

    await fail(first, 1);
    expect(breakers.phase(first, rules, clock.now())).toBe('open');
    await api.data('providers/removeProvider', { providerId: first });
    await expect.poll(() => breakers.record(first)).toMatchObject({ phase: 'closed', failures: 0 });
  });

  describe('active sessions', () => {
    const session = (fields: Partial<SessionInfo>) => ({
      userId: 1,
      keyId: 1,
      sessionId: 's',
      userName: 'u',
      keyName: 'default',
      model: '',
      apiType: 'chat' as const,
      providerId: undefined,
      providerName: '',
      status: 'in_progress' as const,
      ...fields,
    });
    const request = (fields: Row) => {
      const all = { provider_id: 0, key: 'x', model: 'm', cost_usd: 0, created_at: new Date(clock.now()), ...fields };
      return rows(`INSERT INTO message_request (${Object.keys(all).join(', ')}) VALUES (${Object.keys(all).map((_, at) => `$${at + 1}`).join(', ')})`, ...Object.values(all));
    };
    const listed = async (token?: string) => (await api.data('active-sessions/getActiveSessions', {}, token === undefined ? {} : { token })) as Row[];

    it.skipIf(!goldenAvailable)('look as in v0.3.42', async () => {
      const recorded = golden('actions-active-sessions', 'getActiveSessions').response.body as { data: [Row] };
      const [expected] = recorded.data;
      clock.set(Number(expected['startTime']));
      const { sessions } = await dataPlane();
      const known = session({ userId: 27, keyId: 30, sessionId: 'gaps-1', userName: 'main', model: 'claude-sonnet-4-5-20250929', providerId: 22, providerName: 'p-claude' });
      sessions.touch(known);
      sessions.touch({ ...known, status: 'completed' });
      await sessions.flush();
      await rows("INSERT INTO providers (id, name, url, key) VALUES (22, 'p-claude', 'https://api.example.com', 'k')");
      const row = { user_id: 27, key_id: 30, session_id: 'gaps-1', model: 'claude-sonnet-4-5-20250929', provider_id: 22, duration_ms: 126 };
      await request({ ...row, input_tokens: 120, output_tokens: 42, cache_creation_input_tokens: 200, cache_read_input_tokens: 3000, cost_usd: '0.0027525' });
      expect(await listed()).toEqual([expected]);
      expect(Object.keys((await listed())[0] ?? {})).toEqual(Object.keys(expected));
      clock.advance(300_000);
      expect(await listed()).toEqual([]);
    });

    it('join the running request with those in the log, of the same key only and without warm-ups', async () => {
      const { sessions } = await dataPlane();
      const [mine, other] = [await api.createUser({ name: 'mine' }), await api.createUser({ name: 'other' })];
      const [one, two] = [await addProvider({ name: 'p1' }), await addProvider({ name: 'p2' })];
      const ref = { userId: mine.id, keyId: mine.keyId, sessionId: 'joined', userName: 'mine' };
      sessions.touch(session({ ...ref, model: 'm-new', providerId: two, providerName: 'p2', apiType: 'codex' }));
      sessions.touch(session({ ...ref, userId: other.id, keyId: other.keyId, userName: 'other' }));
      await sessions.flush();
      const base = { user_id: mine.id, key_id: mine.keyId, session_id: 'joined', input_tokens: 10, duration_ms: 5, cost_usd: '0.1' };
      const early = clock.now() - 20_000;
      await request({ ...base, provider_id: two, model: 'b', created_at: new Date(early) });
      await request({ ...base, provider_id: one, model: 'a' });
      await request({ ...base, provider_id: two, model: 'b', key_id: null });
      await request({ ...base, provider_id: two, model: 'warm', blocked_by: 'warmup' });
      await request({ ...base, provider_id: two, model: 'gone', deleted_at: new Date(clock.now()) });
      await request({ ...base, provider_id: one, model: 'theirs', key_id: mine.keyId + 100_000 });

      const seen = await listed(mine.key);
      expect(seen).toMatchObject([
        {
          ...ref,
          keyName: 'default',
          providerId: two,
          providerName: 'p2, p1',
          model: 'b, a',
          apiType: 'codex',
          startTime: early,
          inputTokens: 30,
          totalTokens: 30,
          costUsd: '0.300000000000000',
          status: 'in_progress',
          durationMs: 15,
          requestCount: 4,
        },
      ]);
      const all = await listed();
      expect(all.map(({ userName }) => userName).toSorted()).toEqual(['mine', 'other']);
      expect(all.find(({ userName }) => userName === 'other')).toMatchObject({ providerId: null, providerName: null, model: null, costUsd: '0', requestCount: 1, startTime: clock.now() });
    });

    it('are terminated, by a user his own', async () => {
      const { sessions } = await dataPlane();
      const [mine, other] = [await api.createUser({ name: 'ends' }), await api.createUser({ name: 'others' })];
      const touch = (user: typeof mine, sessionId: string) => sessions.touch(session({ userId: user.id, keyId: user.keyId, sessionId }));
      for (const id of ['e1', 'e2', 'e3']) touch(mine, id);
      for (const id of ['e1', 'e4']) touch(other, id);
      await sessions.flush();
      const left = async (user: typeof mine) => (await listed(user.key)).map(({ sessionId }) => sessionId).toSorted();
      const call = (action: string, body: object, token?: string) => api.call(`active-sessions/${action}`, body, token === undefined ? {} : { token });

      expect(await call('terminateActiveSession', { sessionId: 'e4' }, mine.key)).toMatchObject({ status: 400, body: { ok: false, errorCode: 'NOT_FOUND' } });
      expect(await call('terminateActiveSession', { sessionId: 'e1' }, mine.key)).toMatchObject({ status: 200, body: { ok: true } });
      expect([await left(mine), await left(other)]).toEqual([['e2', 'e3'], ['e1', 'e4']]);
      const counts = await call('terminateActiveSessionsBatch', { sessionIds: ['e2', 'e4', 'nope', 'e2'] }, mine.key);
      expect(counts.body).toEqual({ ok: true, data: { requestedCount: 3, successCount: 1, missingCount: 2 } });
      expect([await left(mine), await left(other)]).toEqual([['e3'], ['e1', 'e4']]);
      expect((await call('terminateActiveSessionsBatch', { sessionIds: ['e1', 'e3'] })).body).toEqual({ ok: true, data: { requestedCount: 2, successCount: 2, missingCount: 0 } });
      expect([await left(mine), await left(other)]).toEqual([[], ['e4']]);
      for (const sessionIds of [[], Array.from({ length: 501 }, (_, at) => `s${at}`)]) {
        expect(await call('terminateActiveSessionsBatch', { sessionIds })).toMatchObject({ status: 400 });
      }
      const audit = await rows("SELECT actor_id, action, entity_id, before FROM hub_audit_log WHERE entity = 'session' ORDER BY id");
      expect(audit.map(({ before }) => (before as Row)['sessionId']).toSorted()).toEqual(['e1', 'e1', 'e2', 'e3']);
      expect(audit[0]).toMatchObject({ actor_id: mine.id, action: 'active-sessions/terminateActiveSession', entity_id: null, before: { userId: mine.id, keyId: mine.keyId } });
    });
  });
});

describe.skipIf(!redisControllable)('while Redis', () => {
  it('is frozen, answers come from the log within a bounded time and nothing is promised that cannot be kept', async () => {
    const redis = await startRedis();
    const clock = fakeClock();
    const live = await openLiveState({ redisUrl: redis.url, clock, log: silentLogger, timeZone });
    const api = await startApi({ clock, live });
    try {
      await api.data('providers/addProvider', { name: 'p', url: 'https://api.example.com', key: 'k', limit_5h_usd: 1 });
      const [{ id: providerId }] = (await api.database.query('SELECT id FROM providers')) as [Row];
      await api.data('providers/getProvidersHealthStatus');
      redis.freeze();
      const began = performance.now();
      expect(await api.data('providers/getProviderLimitUsage', { providerId })).toMatchObject({ cost5h: { current: 0, limit: 1 } });
      expect(await api.data('providers/getProvidersHealthStatus')).toEqual({ [String(providerId)]: closed });
      expect(await api.data('active-sessions/getActiveSessions')).toEqual([]);
      for (const [action, body] of [
        ['providers/resetProviderCircuit', { providerId }],
        ['active-sessions/terminateActiveSession', { sessionId: 's' }],
        ['active-sessions/terminateActiveSessionsBatch', { sessionIds: ['s'] }],
      ] as const) {
        const answer = await api.call(action, body, { headers: { 'accept-language': 'en' } });
        expect(answer).toMatchObject({ status: 400, body: { ok: false, error: expect.stringContaining('Redis') } });
      }
      await api.data('providers/removeProvider', { providerId });
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(await api.database.query("SELECT 1 FROM hub_audit_log WHERE action = 'providers/resetProviderCircuit'")).toEqual([]);
      redis.thaw();
      await expect.poll(() => live.unreachable()).toBe(false);
      expect(api.errors).toEqual([]);
    } finally {
      redis.thaw();
      await api.close();
      await live.close();
      await redis.stop();
    }
  });

  it('is not there at the start, the API is', async () => {
    const began = performance.now();
    const live = await openLiveState({ redisUrl: `redis://127.0.0.1:${await freePort()}`, clock: fakeClock(), log: silentLogger, timeZone });
    expect(performance.now() - began).toBeLessThan(5000);
    expect(await live.sessions({})).toEqual([]);
    expect(await live.unreachable()).toBe(true);
    await live.close();
  });
});
