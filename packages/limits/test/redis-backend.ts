import { silentLogger } from '@hub/service';
import type { TestRedis } from '@hub/testkit';
import type { Limiter } from '../src/index.ts';
import { createLimiter, openRedis } from '../src/index.ts';
import type { RedisClient } from '../src/index.ts';
import type { Backend } from './world.ts';
import { Books, NOW } from './world.ts';

/** Limiters on a test server: each with a connection of its own, as processes have. */
export async function redisBackend(server: TestRedis, connections = 2): Promise<Backend> {
  const clients: RedisClient[] = await Promise.all(
    Array.from({ length: connections }, () => openRedis({ urls: server.urls.join(','), log: silentLogger, waitMs: 10_000 })),
  );
  const limiters: Limiter[] = [];
  const departures: string[] = [];
  return {
    shared: true,
    limiter(options = {}) {
      const redis = clients[limiters.length % clients.length];
      const limiter = createLimiter({
        redis,
        warm: new Books().warm,
        clock: { now: () => NOW },
        log: silentLogger,
        // A shared test machine may pause longer than a production one.
        redisTimeoutMs: 2000,
        ...options,
      });
      limiter.onModeChange((mode) => departures.push(mode));
      limiters.push(limiter);
      return limiter;
    },
    async close() {
      await Promise.all(limiters.map((limiter) => limiter.close()));
      for (const client of clients) client.disconnect();
      await server.stop();
      if (departures.length > 0) throw new Error('Redis failed during the suite: it was this process that kept the limits');
    },
  };
}
