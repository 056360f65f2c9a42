import { Cluster, Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { redisAvailable, redisClusterAvailable, redisControllable, startRedis, type TestRedis } from '../src/index.ts';

const opened: Redis[] = [];
const started: TestRedis[] = [];
afterEach(async () => {
  opened.splice(0).forEach((client) => client.disconnect());
  await Promise.all(started.splice(0).map((redis) => redis.stop()));
});

async function start(options: { cluster?: boolean } = {}): Promise<TestRedis> {
  const redis = await startRedis(options);
  started.push(redis);
  return redis;
}

function connect(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => {});
  opened.push(client);
  return client;
}

describe.skipIf(!redisAvailable)('a Redis', () => {
  it('is empty after a flush', async () => {
    const redis = await start();
    const client = connect(redis.url);
    await client.set('a', '1');
    await redis.flush();
    expect(await client.get('a')).toBeNull();
  });
});

describe.skipIf(!redisControllable)('a Redis of our own', () => {
  it('does not answer while frozen, and answers then', async () => {
    const redis = await start();
    const client = connect(redis.url);
    await client.ping();
    redis.freeze();
    let answered = false;
    const pong = client.ping().finally(() => (answered = true));
    // Long enough for many answers of one that lives.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    redis.thaw();
    expect(await pong).toBe('PONG');
  });

  it('refuses connections when killed, and comes back empty on the same port', async () => {
    const redis = await start();
    await connect(redis.url).set('a', '1');
    await redis.kill();
    await expect(connect(redis.url).get('a')).rejects.toThrow();
    await redis.start();
    expect(await connect(redis.url).get('a')).toBeNull();
  });
});

describe.skipIf(!redisClusterAvailable)('a cluster', () => {
  it('serves all slots, and does so again after a death', async () => {
    const redis = await start({ cluster: true });
    expect(redis.urls).toHaveLength(3);
    const writeEverywhere = async () => {
      const cluster = new Cluster([...redis.urls]);
      try {
        await Promise.all(Array.from({ length: 60 }, (_, index) => cluster.set(`{u:${index}}`, '1')));
        return await Promise.all(cluster.nodes('master').map((node) => node.dbsize()));
      } finally {
        cluster.disconnect();
      }
    };
    const sizes = await writeEverywhere();
    expect(sizes).toHaveLength(3);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
    await redis.kill();
    await redis.start();
    expect(await writeEverywhere()).toHaveLength(3);
  });
});
