import { silentLogger } from '@hub/service';
import { redisAvailable, redisClusterAvailable, redisControllable, startRedis } from '@hub/testkit';
import type { TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisClient, SessionDirectory, SessionInfo } from '../src/index.ts';
import { createLimiter, createSessionDirectory, openRedis } from '../src/index.ts';
import { admitted, Books, MINUTE, newId, NOW, request, subject } from './world.ts';

type Touched = Parameters<SessionDirectory['touch']>[0];

function touched(sessionId: string, more: Partial<Touched> = {}): Touched {
  return {
    userId: newId(),
    keyId: newId(),
    sessionId,
    userName: 'Ann',
    keyName: 'laptop',
    model: 'claude-sonnet',
    apiType: 'chat',
    providerId: 3,
    providerName: 'main',
    status: 'completed',
    ...more,
  };
}

/** @param open a directory over the same place as all others of this suite, with a clock */
function directoryContract(open: (clock: { now(): number }) => SessionDirectory): void {
  const ofUsers = (sessions: SessionInfo[], ...mine: Touched[]): SessionInfo[] =>
    sessions.filter(({ userId }) => mine.some((info) => info.userId === userId));

  it('lists sessions of the last five minutes, the latest first', async () => {
    let now = NOW;
    const directory = open({ now: () => now });
    const [one, two] = [touched('a:b/ü c'), touched('two', { providerId: undefined, providerName: '', apiType: 'codex' })];
    directory.touch(one);
    now += MINUTE;
    directory.touch(two);
    expect(ofUsers(await directory.active(), one, two)).toEqual([
      { ...two, startedAt: now, lastSeenAt: now },
      { ...one, startedAt: NOW, lastSeenAt: NOW },
    ]);
    await directory.flush();
    now += MINUTE;
    directory.touch({ ...one, model: 'claude-opus', status: 'in_progress' });
    await directory.flush();
    expect(await directory.get(one)).toEqual({ ...one, model: 'claude-opus', status: 'in_progress', startedAt: NOW, lastSeenAt: now });
    now += 4 * MINUTE;
    expect(ofUsers(await directory.active(), one, two).map(({ sessionId }) => sessionId)).toEqual(['a:b/ü c']);
    await directory.close();
  });

  it('forgets a terminated session', async () => {
    const directory = open({ now: () => NOW });
    const one = touched('x');
    directory.touch(one);
    await directory.flush();
    expect(await directory.terminate(one)).toBe(true);
    expect(await directory.get(one)).toBeUndefined();
    expect(ofUsers(await directory.active(), one)).toEqual([]);
    expect(await directory.terminate(one)).toBe(false);
    await directory.close();
  });
}

describe('sessions in memory', () => {
  directoryContract((clock) => createSessionDirectory({ clock, log: silentLogger }));
});

for (const [name, cluster, available] of [
  ['on a Redis server', false, redisAvailable],
  ['on a Redis Cluster', true, redisClusterAvailable],
] as const) {
  describe.skipIf(!available)(`sessions ${name}`, () => {
    let server: TestRedis;
    let redis: RedisClient;
    beforeAll(async () => {
      server = await startRedis({ cluster });
      redis = await openRedis({ urls: server.urls.join(','), log: silentLogger, waitMs: 10_000 });
    });
    afterAll(async () => {
      redis.disconnect();
      await server.stop();
    });

    directoryContract((clock) => createSessionDirectory({ redis, clock, log: silentLogger }));

    it('are seen by another process, whose termination frees their slots everywhere', async () => {
      const clock = { now: () => NOW };
      const gateway = createSessionDirectory({ redis, clock, log: silentLogger });
      const admin = createSessionDirectory({ redis, clock, log: silentLogger });
      const limiter = createLimiter({ redis, warm: new Books().warm, clock, log: silentLogger, redisTimeoutMs: 2000 });
      const [user, key] = [subject('user', { concurrentSessions: 1 }), subject('key')];
      const provider = subject('provider', { concurrentSessions: 1 });
      const hold = await admitted(limiter, request(key, user, { session: { id: 's' }, provider }));
      await hold.settle({ nanos: 0n, now: NOW, binding: { providerId: provider.id, rule: 'absent' } });
      gateway.touch(touched('s', { userId: user.id, keyId: key.id, providerId: provider.id }));
      await gateway.close();
      expect((await admin.active()).find(({ userId }) => userId === user.id)).toMatchObject({ sessionId: 's', providerId: provider.id });
      expect(await admin.terminate({ userId: user.id, keyId: key.id, sessionId: 's' })).toBe(true);
      const next = await limiter.reserve(request(key, user, { session: { id: 'next' }, provider }));
      expect(next).toMatchObject({ ok: true, provider: { ok: true } });
      await Promise.all([admin.close(), limiter.close()]);
    });

    it.skipIf(!redisControllable && !cluster)('without Redis a process lists its own', async () => {
      const directory = createSessionDirectory({ redis, clock: { now: () => NOW }, log: silentLogger });
      const one = touched('mine');
      directory.touch(one);
      await server.kill();
      await expect.poll(() => redis.status).not.toBe('ready');
      expect((await directory.active()).map(({ sessionId }) => sessionId)).toContain('mine');
      await directory.close();
    });
  });
}
