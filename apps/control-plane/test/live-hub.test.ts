import { eventually, type Hub, redisAvailable, startHub, startRedis, status, stepwise, type TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

type Row = Record<string, unknown>;

const model = 'claude-sonnet-4-5-20250929';
const message = { model, max_tokens: 16, messages: [{ role: 'user', content: 'hi' }] };

/** Both planes as processes: what the data plane does shows in the API, and what the API does reaches the data plane. */
describe.skipIf(!redisAvailable)('the API over a real data plane', () => {
  let redis: TestRedis;
  let hub: Hub;
  beforeAll(async () => {
    redis = await startRedis();
    hub = await startHub({ redis, env: { HUB_REDIS_TIMEOUT_MS: '5000' } });
    await hub.setPrices({ [model]: { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6, litellm_provider: 'anthropic' } });
  });
  afterAll(async () => {
    await hub.stop();
    await redis.stop();
  });

  /** Asks until the answer is what it should be. */
  const becomes = (what: string, action: string, input: object, wanted: (data: Row | Row[]) => boolean) =>
    eventually(() => what, async () => {
      const data = await hub.admin<Row | Row[]>(action, input);
      return wanted(data) ? data : undefined;
    });

  it('a running stream is an active session, and what it cost counts at once', async () => {
    const provider = await hub.createProvider({ name: 'streams', group_tag: 'streams', limit_concurrent_sessions: 5 });
    const user = await hub.createUser({ name: 'streamer', providerGroup: 'streams', dailyQuota: 5, limitConcurrentSessions: 5 });
    const steps = stepwise();
    hub.upstream.respond(steps);
    const answer = hub.send('/v1/messages', { ...message, stream: true, metadata: { user_id: 'user_a_account__session_live-1' } }, { key: user.key });
    await hub.upstream.waitForRequests(1);
    await steps.next(3);
    const isRunning = (data: Row | Row[]): boolean => Array.isArray(data) && data.some((session) => session['sessionId'] === 'live-1' && session['status'] === 'in_progress');
    const running = await becomes('the session', 'active-sessions/getActiveSessions', {}, isRunning);
    expect(running).toMatchObject([{ sessionId: 'live-1', userName: 'streamer', userId: user.id, keyId: user.keyId, keyName: 'default', model, apiType: 'chat', requestCount: 1, costUsd: '0' }]);
    expect(await hub.admin('keys/getKeyLimitUsage', { keyId: user.keyId })).toMatchObject({ concurrentSessions: { current: 1 } });
    expect(await hub.admin('providers/getProviderLimitUsage', { providerId: provider.id })).toMatchObject({ concurrentSessions: { current: 1, limit: 5 } });

    await steps.rest();
    await (await answer).text();
    const [row] = await hub.waitForRows(1);
    const cost = Number(row?.['cost_usd']);
    expect(cost).toBeGreaterThan(0);
    const ended = await becomes('the end', 'active-sessions/getActiveSessions', {}, (data) => !isRunning(data));
    expect(ended).toMatchObject([{ sessionId: 'live-1', status: 'completed', providerId: provider.id, providerName: 'streams', requestCount: 1, costUsd: row?.['cost_usd'] }]);
    await becomes('the cost', 'users/getUserLimitUsage', { userId: user.id }, (data) => !Array.isArray(data) && (data['dailyCost'] as Row)['current'] === cost);

    await hub.admin('active-sessions/terminateActiveSession', { sessionId: 'live-1' });
    expect(await hub.admin('active-sessions/getActiveSessions')).toEqual([]);
    expect(await hub.admin('keys/getKeyLimitUsage', { keyId: user.keyId })).toMatchObject({ concurrentSessions: { current: 0 } });
  });

  it('a breaker that traffic opened shows, and closed here it is closed there', async () => {
    const provider = await hub.createProvider({
      name: 'breaks',
      url: hub.upstream.urlFor('breaks'),
      group_tag: 'breaks',
      circuit_breaker_failure_threshold: 1,
      circuit_breaker_open_duration: 600_000,
      max_retry_attempts: 1,
    });
    const user = await hub.createUser({ providerGroup: 'breaks' });
    const ask = async (): Promise<number> => {
      const answer = await hub.send('/v1/messages', message, { key: user.key });
      await answer.text();
      return answer.status;
    };
    const stateOf = (data: Row | Row[]): unknown => (Array.isArray(data) ? undefined : (data[provider.id] as Row)['circuitState']);
    hub.upstream.respond(status(500), 'breaks');
    expect(await ask()).toBe(503);
    const health = await becomes('an open breaker', 'providers/getProvidersHealthStatus', {}, (data) => stateOf(data) === 'open');
    expect(health).toMatchObject({ [provider.id]: { failureCount: 1, recoveryMinutes: 10 } });
    // The provider is well again, but nobody asks it.
    const asked = hub.upstream.requests.length;
    expect(await ask()).toBe(503);
    expect(hub.upstream.requests).toHaveLength(asked);

    await hub.admin('providers/resetProviderCircuit', { providerId: provider.id });
    expect(stateOf(await hub.admin<Row>('providers/getProvidersHealthStatus'))).toBe('closed');
    await eventually(() => 'the data plane to send again', async () => ((await ask()) === 200 ? true : undefined));
  });

  it('a setting is in force as soon as the data plane has it', async () => {
    await hub.createProvider({ name: 'settings', group_tag: 'settings' });
    const user = await hub.createUser({ providerGroup: 'settings' });
    const ask = async (): Promise<number> => {
      const answer = await hub.send('/v1/messages', { ...message, system: 'x'.repeat(3000) }, { key: user.key });
      await answer.text();
      return answer.status;
    };
    const configure = async (change: object): Promise<Row> => {
      const answer = await fetch(`${hub.controlPlaneUrl}/api/admin/system-config`, {
        method: 'POST',
        headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(change),
      });
      expect(answer.status).toBe(200);
      const settings = (await answer.json()) as Row;
      await hub.inForce();
      return settings;
    };
    expect(await ask()).toBe(200);
    expect(await configure({ maxRequestBodyBytes: 2048 })).toMatchObject({ maxRequestBodyBytes: 2048 });
    expect(await ask()).toBe(413);
    await configure({ maxRequestBodyBytes: 1_000_000 });
    expect(await ask()).toBe(200);
  });
});
