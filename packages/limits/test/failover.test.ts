import { fork } from 'node:child_process';
import { once } from 'node:events';
import { recordId, silentLogger, systemClock } from '@hub/service';
import { redisAvailable, redisClusterAvailable, redisControllable, startRedis } from '@hub/testkit';
import type { TestRedis } from '@hub/testkit';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Limiter, LimiterOptions } from '../src/index.ts';
import { createLimiter, openRedis } from '../src/index.ts';
import { admitted, Books, NOW, refused, request, spend, subject, usd, ZONE } from './world.ts';

/** Becomes `mode`, or has been already. */
async function inMode(limiter: Limiter, mode: 'shared' | 'local'): Promise<void> {
  if (limiter.mode === mode) return;
  await new Promise<void>((resolve) => {
    const stop = limiter.onModeChange((now) => {
      if (now !== mode) return;
      stop();
      resolve();
    });
  });
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

describe.skipIf(!redisAvailable || !redisControllable)('when Redis', () => {
  let server: TestRedis;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  async function node(options: Partial<LimiterOptions> = {}): Promise<Limiter> {
    const redis = await openRedis({ urls: server.url, log: silentLogger, waitMs: 200 });
    const limiter = createLimiter({
      redis,
      warm: new Books().warm,
      clock: { now: () => NOW },
      log: silentLogger,
      redisTimeoutMs: 80,
      heartbeatMs: 20,
      ...options,
    });
    onTestFinished(async () => {
      await limiter.close();
      redis.disconnect();
    });
    return limiter;
  }

  /** Everybody knows of everybody. */
  async function settledNodes(limiters: readonly Limiter[]): Promise<void> {
    await expect.poll(() => limiters.every((limiter) => limiter.nodes === limiters.length && limiter.mode === 'shared')).toBe(true);
  }

  it('refuses at the start, limits are kept in memory until it is there', async () => {
    await server.kill();
    const limiter = await node();
    const [user, key] = [subject('user', { totalNanos: usd(5) }, { rpm: 2 }), subject('key')];
    await spend(limiter, key, user, usd(1));
    await spend(limiter, key, user, usd(1));
    expect(limiter.mode).toBe('local');
    expect((await refused(limiter, request(key, user))).limitType).toBe('rpm');
    await server.start();
    await inMode(limiter, 'shared');
    expect(limiter.journaled).toBe(0);
    await admitted(limiter, request(key, user));
    expect((await limiter.peekUser(user, [], NOW, ZONE))[0]?.spent?.total).toBe(usd(2));
  });

  it('freezes, a request waits once for at most the time-out, and nothing that was spent is lost or doubled', async () => {
    const limiter = await node();
    await settledNodes([limiter]);
    const [user, key] = [subject('user', { totalNanos: usd(100) }), subject('key')];
    const provider = subject('provider', { dailyNanos: usd(100) });
    const inFlight = await admitted(limiter, request(key, user, { provider, session: { id: 'a' } }));
    await spend(limiter, key, user, usd(1));
    server.freeze();
    // This settlement is sent, is not answered, and is carried out when Redis thaws.
    const settling = inFlight.settle({ nanos: usd(2), now: NOW });
    const waits = await Promise.all(Array.from({ length: 20 }, () => elapsed(() => spend(limiter, key, user, usd(1)))));
    await settling;
    expect(limiter.mode).toBe('local');
    expect(Math.max(...waits)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...waits)).toBeLessThan(400);
    // From now on nobody waits.
    expect(await elapsed(() => spend(limiter, key, user, usd(1)))).toBeLessThan(50);
    server.thaw();
    await inMode(limiter, 'shared');
    const [spent] = await limiter.peekUser(user, [], NOW, ZONE);
    expect(spent?.spent?.total).toBe(usd(24));
    expect((await limiter.peekProvider(provider, NOW, ZONE)).spent?.daily).toBe(usd(2));
  });

  it('freezes, nobody waits longer than the first', async () => {
    const timeoutMs = 1500;
    const limiter = await node({ redisTimeoutMs: timeoutMs, heartbeatMs: 60_000 });
    const [user, key] = [subject('user'), subject('key')];
    server.freeze();
    const first = limiter.reserve(request(key, user));
    await new Promise((resolve) => setTimeout(resolve, timeoutMs / 2));
    const wait = await elapsed(() => limiter.reserve(request(key, user)));
    await first;
    server.thaw();
    expect(wait).toBeLessThan(timeoutMs * 0.8);
    await inMode(limiter, 'shared');
  });

  // I02 in docs/complaints.md.
  it('is away, each node enforces its share', async () => {
    const limiters = [await node(), await node()];
    await settledNodes(limiters);
    const user = subject('user', { totalNanos: usd(10) }, { rpm: 60, hard: true });
    const key = subject('key', { concurrentSessions: 4 });
    for (const limiter of limiters) await spend(limiter, key, user, usd(1));
    await server.kill();
    const counts: number[] = [];
    const granted: bigint[] = [];
    for (const limiter of limiters) {
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => limiter.reserve(request(key, user, { estimateNanos: usd(0.1) }))),
      );
      counts.push(answers.filter((answer) => answer.ok).length);
      granted.push(...answers.map((answer) => (answer.ok ? (answer.hold.grantedNanos ?? 0n) : 0n)));
      const sessions = await Promise.all(
        ['a', 'b', 'c'].map((id) => limiter.reserve(request(key, { ...user, rpm: 0 }, { session: { id } }))),
      );
      expect(sessions.map(({ ok }) => ok)).toEqual([true, true, false]);
    }
    expect(counts).toEqual([30, 30]);
    expect(granted.reduce((sum, nanos) => sum + nanos, 0n)).toBeLessThanOrEqual(usd(8));
    await server.start();
    await Promise.all(limiters.map((limiter) => inMode(limiter, 'shared')));
  });

  it('comes back empty, counters are rebuilt, holds are written again, and late news is not counted twice', async () => {
    const books = new Books();
    const limiters = [await node({ warm: books.warm }), await node({ warm: books.warm })] as const;
    await settledNodes(limiters);
    const [user, key] = [subject('user', { totalNanos: usd(100), concurrentSessions: 2 }), subject('key')];
    const settleOn = async (limiter: Limiter, nanos: bigint): Promise<string> => {
      const hold = await admitted(limiter, request(key, user));
      await hold.settle({ nanos, now: NOW });
      return hold.recordId;
    };
    const before = [await settleOn(limiters[0], usd(1)), await settleOn(limiters[1], usd(2))] as const;
    await admitted(limiters[0], request(key, user, { session: { id: 'streaming' } }));
    await server.kill();
    const during = [await settleOn(limiters[0], usd(4)), await settleOn(limiters[1], usd(8))] as const;
    // Two of the four records have reached the database, one of each time.
    books.add([user, key], usd(1), NOW, NOW, before[0]);
    books.add([user, key], usd(8), NOW, NOW, during[1]);
    await server.start();
    await Promise.all(limiters.map((limiter) => inMode(limiter, 'shared')));
    await admitted(limiters[0], request(key, user, { session: { id: 'second' } }));
    expect((await refused(limiters[1], request(key, user, { session: { id: 'third' } }))).limitType).toBe('concurrent_sessions');
    const [now] = await limiters[1].peekUser(user, [], NOW, ZONE);
    expect(now).toMatchObject({ sessions: 2, spent: { total: usd(15) } });
  });

  it('is flushed while everything is connected, holds are written again within a heartbeat', async () => {
    // Nothing is silent here; a busy machine must not look like it.
    const limiter = await node({ redisTimeoutMs: 5000 });
    await settledNodes([limiter]);
    const [user, key] = [subject('user', { concurrentSessions: 1 }), subject('key')];
    await admitted(limiter, request(key, user, { session: { id: 'a' } }));
    await server.flush();
    await expect.poll(async () => (await limiter.peekUser(user, [], NOW, ZONE))[0]?.sessions, { timeout: 10_000 }).toBe(1);
    expect(limiter.mode).toBe('shared');
    await refused(limiter, request(key, user, { session: { id: 'b' } }));
  });

  // I07 in docs/complaints.md.
  it('is flushed, what was settled a moment ago and is not in the database yet still counts', async () => {
    const limiter = await node({ heartbeatMs: 60_000 });
    const [user, key] = [subject('user', { totalNanos: usd(5) }), subject('key')];
    await spend(limiter, key, user, usd(5));
    await server.flush();
    expect(await refused(limiter, request(key, user))).toMatchObject({ limitType: 'usd_total', current: usd(5) });
    expect(limiter.mode).toBe('shared');
  });

  it('is away and the database too, what this node has seen still counts', async () => {
    const books = new Books();
    const limiter = await node({ warm: books.warm });
    await settledNodes([limiter]);
    const rolling = { mode: 'rolling', minuteOfDay: 0 } as const;
    const key = subject('key', { fiveHourNanos: usd(7), dailyNanos: usd(9), dailyReset: rolling });
    const user = subject('user', { totalNanos: usd(10), dailyNanos: usd(9), weeklyNanos: usd(9), monthlyNanos: usd(9) });
    await spend(limiter, key, user, usd(3));
    await spend(limiter, key, user, usd(1));
    books.failure = new Error('the control plane is away');
    await server.kill();
    await spend(limiter, key, user, usd(2));
    expect(limiter.mode).toBe('local');
    const [ofUser, ofKey] = await limiter.peekUser(user, [key], NOW, ZONE);
    expect(ofUser?.spent).toMatchObject({ total: usd(6), daily: usd(6), weekly: usd(6), monthly: usd(6) });
    expect(ofKey?.spent).toMatchObject({ fiveHour: usd(6), daily: usd(6) });
    await spend(limiter, key, user, usd(1));
    expect(await refused(limiter, request(key, user))).toMatchObject({ limitType: 'usd_5h', current: usd(7) });
    await server.start();
    await inMode(limiter, 'shared');
  });

  it('is there, a living request is renewed beyond its lease', async () => {
    let now = NOW;
    const leaseMs = 60_000;
    const limiter = await node({ clock: { now: () => now }, leaseMs, renewEveryMs: 10, heartbeatMs: 5000 });
    const [user, key] = [subject('user', { concurrentSessions: 1 }), subject('key')];
    await admitted(limiter, request(key, user, { session: { id: 'a' } }));
    const redis = new Redis(server.url);
    onTestFinished(() => redis.disconnect());
    for (let lease = 1; lease <= 3; lease += 1) {
      now += leaseMs - 1;
      const renewed = async () => Number((await redis.zrange(`hub:{u:${user.id}}:holds`, '0', '-1', 'WITHSCORES'))[1]);
      await expect.poll(renewed).toBe(now + leaseMs);
      await refused(limiter, request(key, user, { session: { id: 'b' }, now: now + 1 }));
    }
  });

  // A06, A18 in docs/complaints.md.
  it('is there, what a killed process held is free after its lease', async () => {
    const leaseMs = 1000;
    const limiter = await node({ leaseMs, clock: systemClock });
    const [user, key] = [subject('user', { concurrentSessions: 1 }), subject('key')];
    const child = fork(new URL('holder-process.ts', import.meta.url), { execArgv: ['--import', 'tsx'], serialization: 'advanced' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const asked = { recordId: recordId(Date.now()), timeZone: ZONE, key, user, session: { id: 'dead' } };
    child.send({ urls: server.url, leaseMs, reserve: asked });
    expect(await once(child, 'message')).toMatchObject({ 0: { ok: true, mode: 'shared' } });
    const mine = () => limiter.reserve(request(key, user, { now: Date.now(), session: { id: 'mine' } }));
    expect((await mine()).ok).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const killedAt = Date.now();
    await expect.poll(async () => (await mine()).ok, { timeout: 10_000, interval: 50 }).toBe(true);
    expect(Date.now() - killedAt).toBeLessThan(leaseMs + 1500);
  });
});

describe.skipIf(!redisClusterAvailable)('when a Redis Cluster', () => {
  let server: TestRedis;
  beforeAll(async () => {
    server = await startRedis({ cluster: true });
  });
  afterAll(() => server.stop());

  it('freezes, dies and comes back empty, nothing is lost or doubled', async () => {
    const redis = await openRedis({ urls: server.urls.join(','), log: silentLogger, waitMs: 10_000 });
    const limiter = createLimiter({
      redis,
      warm: new Books().warm,
      clock: { now: () => NOW },
      log: silentLogger,
      redisTimeoutMs: 300,
      heartbeatMs: 20,
    });
    onTestFinished(async () => {
      await limiter.close();
      redis.disconnect();
    });
    const [user, key] = [subject('user', { totalNanos: usd(100) }), subject('key')];
    const provider = subject('provider', { dailyNanos: usd(100), concurrentSessions: 1 });
    const hold = await admitted(limiter, request(key, user, { provider, session: { id: 'a' } }));
    server.freeze();
    await spend(limiter, key, user, usd(1));
    expect(limiter.mode).toBe('local');
    server.thaw();
    await inMode(limiter, 'shared');
    await server.kill();
    await spend(limiter, key, user, usd(2));
    await server.start();
    await inMode(limiter, 'shared');
    expect(await limiter.reserve(request(key, user, { provider, session: { id: 'b' } }))).toMatchObject({ provider: { ok: false } });
    await hold.settle({ nanos: usd(4), now: NOW });
    expect((await limiter.peekUser(user, [], NOW, ZONE))[0]?.spent?.total).toBe(usd(7));
    expect((await limiter.peekProvider(provider, NOW, ZONE)).spent?.daily).toBe(usd(4));
  });
});
