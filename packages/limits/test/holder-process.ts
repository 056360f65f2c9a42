import { silentLogger, systemClock } from '@hub/service';
import { createLimiter, openRedis } from '../src/index.ts';

/** A process that takes what it is sent and then lives on, until it is killed. Started by the failover suite. */
process.once('message', async (message: { urls: string; leaseMs: number; reserve: Omit<Parameters<ReturnType<typeof createLimiter>['reserve']>[0], 'now'> }) => {
  const redis = await openRedis({ urls: message.urls, log: silentLogger, waitMs: 10_000 });
  const limiter = createLimiter({
    redis,
    warm: async ({ queries }) => ({ answers: queries.map(() => ({ totalNanos: 0n, buckets: [] })), recent: [] }),
    clock: systemClock,
    log: silentLogger,
    leaseMs: message.leaseMs,
    renewEveryMs: message.leaseMs / 4,
    redisTimeoutMs: 5000,
  });
  const answer = await limiter.reserve({ ...message.reserve, now: Date.now() });
  process.send?.({ ok: answer.ok, mode: limiter.mode });
});
