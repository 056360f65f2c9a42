import { Redis } from 'ioredis';
import { environment } from './env.ts';
import { eventually } from './eventually.ts';
import { RedisProcess, redisProgram } from './redis-process.ts';

/** True if `startRedis()` works here; otherwise the suites that need it skip and say so. */
export const redisAvailable = redisProgram !== undefined || environment.redisUrl !== undefined;

/** True if the server is a process of ours, so that `freeze`, `thaw`, `kill` and `start` work. */
export const redisControllable = redisProgram !== undefined && environment.redisUrl === undefined;

/** True if `startRedis({ cluster: true })` works here: that always takes processes of our own. */
export const redisClusterAvailable = redisProgram !== undefined;

export interface TestRedis {
  /** Of the only node, or of the first one of a cluster. */
  readonly url: string;
  /** Of all nodes. */
  readonly urls: readonly string[];
  /** Deletes every key. */
  flush(): Promise<void>;
  /** Frozen: connections stay open and nothing is answered. A cluster: all its nodes. */
  freeze(): void;
  thaw(): void;
  /** Dead without a goodbye: connections are refused until `start`, which brings it back empty on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A Redis for one suite: `redis-server` from PATH without persistence, or `TEST_REDIS_URL` if that is set (then one
 * numbered database per vitest worker, flushed here).
 */
export async function startRedis(options: { readonly cluster?: boolean } = {}): Promise<TestRedis> {
  if (options.cluster === true) return startCluster();
  if (environment.redisUrl !== undefined) return borrow(environment.redisUrl);
  return control([await RedisProcess.start(false)]);
}

function control(nodes: readonly RedisProcess[], joinUp: () => Promise<void> = async () => {}): TestRedis {
  const urls = nodes.map((node) => node.url);
  const all = async (act: (node: RedisProcess) => Promise<void>): Promise<void> => {
    await Promise.all(nodes.map(act));
  };
  return {
    url: urls[0] ?? '',
    urls,
    flush: () => all((node) => ask(node.url, async (redis) => void (await redis.flushall()))),
    freeze: () => nodes.forEach((node) => node.freeze()),
    thaw: () => nodes.forEach((node) => node.thaw()),
    kill: () => all((node) => node.kill()),
    async start() {
      await all((node) => node.start());
      await joinUp();
    },
    stop: () => all((node) => node.stop()),
  };
}

async function borrow(serverUrl: string): Promise<TestRedis> {
  const url = new URL(serverUrl);
  // Workers run side by side: each flushes only its own database. Servers have 16 unless told otherwise.
  url.pathname = `/${environment.worker % 16}`;
  const flush = () => ask(url.href, async (redis) => void (await redis.flushdb()));
  const refuse = (): never => {
    throw new Error('the Redis of TEST_REDIS_URL is not ours to stop: use describe.skipIf(!redisControllable)');
  };
  await flush();
  return { url: url.href, urls: [url.href], flush, freeze: refuse, thaw: refuse, kill: refuse, start: refuse, stop: flush };
}

/** Three masters that share the 16384 slots, ready for traffic. */
async function startCluster(): Promise<TestRedis> {
  const nodes = await Promise.all([1, 2, 3].map(() => RedisProcess.start(true)));
  const cluster = control(nodes, async () => {
    // Nodes remember each other in nodes.conf, in their folder: they only have to agree again.
    await agree(nodes);
  });
  try {
    await Promise.all(nodes.map((node, index) => ask(node.url, (redis) => assignSlots(redis, index, nodes.length))));
    await introduce(nodes);
    await agree(nodes);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

async function assignSlots(redis: Redis, index: number, count: number): Promise<void> {
  const first = Math.floor((index * 16_384) / count);
  const last = Math.floor(((index + 1) * 16_384) / count) - 1;
  await redis.call('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
  // Distinct epochs from the start, or the nodes spend seconds on settling who is who.
  await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
}

async function introduce(nodes: readonly RedisProcess[]): Promise<void> {
  const [first, ...others] = nodes;
  if (first === undefined) return;
  await ask(first.url, async (redis) => {
    for (const { port, busPort } of others) await redis.call('CLUSTER', 'MEET', '127.0.0.1', String(port), String(busPort));
  });
}

/** Waits until every node sees the whole cluster as working. */
async function agree(nodes: readonly RedisProcess[]): Promise<void> {
  const ready = async (node: RedisProcess): Promise<void> => {
    await ask(node.url, (redis) =>
      eventually(
        () => `the Redis cluster node ${node.url} to see the others`,
        async () => {
          const info = String(await redis.call('CLUSTER', 'INFO'));
          const known = String(await redis.call('CLUSTER', 'NODES')).trim().split('\n');
          const joined = known.filter((line) => line.includes('connected') && !/handshake|fail|disconnected/.test(line));
          return info.includes('cluster_state:ok') && joined.length === nodes.length ? true : undefined;
        },
      ),
    );
  };
  await Promise.all(nodes.map(ready));
}

async function ask<T>(url: string, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}
