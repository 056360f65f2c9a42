import { silentLogger } from '@hub/service';
import { redisAvailable, redisClusterAvailable, redisControllable, startRedis } from '@hub/testkit';
import type { TestRedis } from '@hub/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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
    status: 'in_progress',
    ...more,
  };
}

function ofUsers(sessions: SessionInfo[], ...mine: Touched[]): SessionInfo[] {
  return sessions.filter(({ userId }) => mine.some((info) => info.userId === userId));
}

/** @param open a directory over the same place as all others of this suite, with a clock */
function directoryContract(open: (clock: { now(): number }) => SessionDirectory): void {
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
    directory.touch({ ...one, model: 'claude-opus', status: 'completed' });
    await directory.flush();
    expect(await directory.get(one)).toEqual({ ...one, model: 'claude-opus', status: 'completed', startedAt: NOW, lastSeenAt: now });
    now += 4 * MINUTE;
    expect(ofUsers(await directory.active(), one, two).map(({ sessionId }) => sessionId)).toEqual(['a:b/ü c']);
    await directory.close();
  });

  it('lists the latest, or those of one user, as many as are asked for', async () => {
    let now = NOW + 6 * MINUTE;
    const directory = open({ now: () => now });
    const [mine, theirs] = [touched('mine'), touched('theirs')];
    for (const info of [{ ...mine, sessionId: 'older' }, mine, theirs]) {
      directory.touch(info);
      now += 1;
    }
    const ids = async (filter: Parameters<SessionDirectory['active']>[0]) => (await directory.active(filter)).map(({ sessionId }) => sessionId);
    for (const written of [false, true]) {
      if (written) await directory.flush();
      expect(await ids({ most: 2 })).toEqual(['theirs', 'mine']);
      expect(await ids({ userId: mine.userId })).toEqual(['mine', 'older']);
      expect(await ids({ userId: mine.userId, most: 1 })).toEqual(['mine']);
      expect(await ids({ userId: mine.userId, sessionIds: new Set(['older', 'theirs']) })).toEqual(['older']);
      expect(await ids({ sessionIds: new Set(['older', 'theirs']) })).toEqual(['theirs', 'older']);
    }
    await directory.close();
  });

  it('keeps a session while its request runs, and not longer', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      let now = NOW;
      const directory = open({ now: () => now });
      const running = touched('long');
      directory.touch(running);
      for (let minute = 0; minute < 10; minute += 1) {
        now += MINUTE;
        vi.advanceTimersByTime(MINUTE);
      }
      expect(ofUsers(await directory.active(), running)).toMatchObject([{ status: 'in_progress', startedAt: NOW, lastSeenAt: now }]);
      directory.touch({ ...running, status: 'completed' });
      for (let minute = 0; minute < 5; minute += 1) {
        now += MINUTE;
        vi.advanceTimersByTime(MINUTE);
      }
      expect(ofUsers(await directory.active(), running)).toEqual([]);
      await directory.close();
    } finally {
      vi.useRealTimers();
    }
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
    directory.touch({ ...one, status: 'completed' });
    expect(ofUsers(await directory.active(), one)).toEqual([]);
    directory.touch(one);
    expect(ofUsers(await directory.active(), one)).toMatchObject([one]);
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

    it('an end does not bring back what another process terminated, a new request does', async () => {
      const clock = { now: () => NOW };
      const gateway = createSessionDirectory({ redis, clock, log: silentLogger });
      const admin = createSessionDirectory({ redis, clock, log: silentLogger });
      const listed = async (info: Touched) => ofUsers(await admin.active({ userId: info.userId }), info).map(({ status }) => status);
      const one = touched('t');
      gateway.touch(one);
      await gateway.flush();
      expect(await listed(one)).toEqual(['in_progress']);
      await admin.terminate(one);
      gateway.touch({ ...one, status: 'completed' });
      await gateway.flush();
      expect(await listed(one)).toEqual([]);
      gateway.touch(one);
      gateway.touch({ ...one, status: 'error' });
      await gateway.flush();
      expect(await listed(one)).toEqual(['error']);
      await Promise.all([gateway.close(), admin.close()]);
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
