import { silentLogger } from '@hub/service';
import { redisAvailable, redisControllable, startRedis } from '@hub/testkit';
import type { TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { BreakerRules, Breakers, Limiter, LimiterOptions, RedisClient } from '../src/index.ts';
import { createBreakers, createLimiter, openRedis } from '../src/index.ts';
import { Books, newId, NOW, request, subject, usd, ZONE } from './world.ts';

/** A process that looks on and admits nobody, as the control plane does. */
describe.skipIf(!redisAvailable || !redisControllable)('who only looks', () => {
  let server: TestRedis;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  async function connect(): Promise<RedisClient> {
    const redis = await openRedis({ urls: server.url, log: silentLogger, waitMs: 10_000 });
    onTestFinished(() => redis.disconnect());
    return redis;
  }

  async function limiterOn(options: Partial<LimiterOptions>): Promise<Limiter> {
    const redis = await connect();
    const limiter = createLimiter({ redis, warm: new Books().warm, clock: { now: () => NOW }, log: silentLogger, redisTimeoutMs: 2000, heartbeatMs: 20, ...options });
    onTestFinished(() => limiter.close());
    return limiter;
  }

  async function breakers(): Promise<Breakers> {
    const made = createBreakers({ redis: await connect(), clock: { now: () => NOW }, log: silentLogger, redisTimeoutMs: 2000 });
    onTestFinished(() => made.close());
    return made;
  }

  it('sees what others count, and is no node that a share of the limits is for, not even after Redis was away', async () => {
    const node = await limiterOn({});
    const observer = await limiterOn({ observer: true, redisTimeoutMs: 50 });
    const [user, key] = [subject('user', { totalNanos: usd(5) }), subject('key')];
    const answer = await node.reserve(request(key, user, { session: { id: 's' } }));
    if (!answer.ok) throw new Error('refused');
    await answer.hold.settle({ nanos: usd(1), now: NOW });
    const look = () => observer.peekUser(user, [key], NOW, ZONE);
    expect(await look()).toMatchObject([{ sessions: 1, spent: { total: usd(1) } }, { sessions: 1, spent: undefined }]);

    const back = new Promise<void>((resolve) => observer.onModeChange((mode) => void (mode === 'shared' && resolve())));
    server.freeze();
    expect(await look()).toMatchObject([{ sessions: 0, spent: undefined }, { sessions: 0 }]);
    expect(observer.mode).toBe('local');
    server.thaw();
    await back;
    expect(await look()).toMatchObject([{ sessions: 1, spent: { total: usd(1) } }, { sessions: 1 }]);
    const third = await limiterOn({});
    await expect.poll(() => [node.nodes, third.nodes]).toEqual([2, 2]);
  });

  it('closes a breaker that it has not heard of', async () => {
    const rules: BreakerRules = { failureThreshold: 1, openMs: 60_000, halfOpenSuccesses: 1 };
    const node = await breakers();
    const id = newId();
    await node.watch([id]);
    (await node.acquire(id, rules, NOW))?.failure(NOW);
    await node.settled();
    expect(node.phase(id, rules, NOW)).toBe('open');
    const late = await breakers();
    expect(late.phase(id, rules, NOW)).toBe('closed');
    await late.reset(id);
    await expect.poll(() => node.phase(id, rules, NOW)).toBe('closed');
  });
});
