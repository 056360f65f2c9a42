import { redisAvailable, redisClusterAvailable, startRedis } from '@hub/testkit';
import { describe } from 'vitest';
import { limiterContract } from './limiter.contract.ts';
import { redisBackend } from './redis-backend.ts';

describe.skipIf(!redisAvailable)('with a Redis server', () => {
  limiterContract('limits', async () => redisBackend(await startRedis()));
});

describe.skipIf(!redisClusterAvailable)('with a Redis Cluster of three nodes', () => {
  limiterContract('limits', async () => redisBackend(await startRedis({ cluster: true })));
});
