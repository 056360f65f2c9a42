import type { Logger } from '@hub/service';
import type { RedisOptions } from 'ioredis';
import { Cluster, Redis } from 'ioredis';
import type { RedisClient } from './scripts.ts';

export interface OpenRedisOptions {
  /** One redis:// or rediss:// URL, or several separated by commas: then they are nodes of a Redis Cluster. */
  readonly urls: string;
  readonly log: Logger;
  /** How long to wait for the connection, ms; then the process goes on without, and Redis joins when it can. */
  readonly waitMs?: number;
}

const RETRY_MS = { step: 50, most: 1000 };
const CONNECT_TIMEOUT_MS = 2000;

function retryAfter(attempt: number): number {
  return Math.min(attempt * RETRY_MS.step, RETRY_MS.most);
}

/**
 * Commands fail at once when there is no connection and are never sent twice: whether to wait and what to do instead is
 * decided above, and settlements know their records.
 */
const failFast = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: 10_000,
  noDelay: true,
} satisfies RedisOptions;

/** Connects to a Redis server or cluster. Does not reject when it is away; throws a TypeError for an unusable URL. */
export async function openRedis({ urls, log, waitMs = 1000 }: OpenRedisOptions): Promise<RedisClient> {
  const nodes = urls.split(',').map((url) => new URL(url.trim()));
  const [first] = nodes;
  if (first === undefined) throw new TypeError('no Redis URL');
  const redis = nodes.length === 1 ? openServer(first) : openCluster(first, nodes);
  let lastMessage = '';
  redis.on('error', (error: Error) => {
    // One line per kind of trouble, not one per attempt.
    if (error.message !== lastMessage) log.warn({ err: error }, 'Redis connection');
    lastMessage = error.message;
  });
  redis.on('ready', () => {
    lastMessage = '';
    void warnOfEviction(redis, log);
  });
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  return redis;
}

function openServer(url: URL): Redis {
  return new Redis(url.href, { ...failFast, retryStrategy: retryAfter });
}

function openCluster(first: URL, nodes: readonly URL[]): Cluster {
  return new Cluster(
    nodes.map((node) => ({ host: node.hostname, port: Number(node.port || 6379) })),
    {
      clusterRetryStrategy: retryAfter,
      enableOfflineQueue: false,
      slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
      redisOptions: {
        ...failFast,
        ...(first.username === '' ? {} : { username: decodeURIComponent(first.username) }),
        ...(first.password === '' ? {} : { password: decodeURIComponent(first.password) }),
        ...(first.protocol === 'rediss:' ? { tls: {} } : {}),
      },
    },
  );
}

/** A Redis that evicts keys under memory pressure forgets limits: counters are rebuilt, holds and rates are not. */
async function warnOfEviction(redis: RedisClient, log: Logger): Promise<void> {
  try {
    const answer: unknown = await redis.config('GET', 'maxmemory-policy');
    const policy: unknown = Array.isArray(answer) ? answer[1] : undefined;
    if (typeof policy === 'string' && policy !== 'noeviction') {
      log.warn({ policy }, 'Redis may evict keys when its memory is full: set maxmemory-policy to noeviction');
    }
  } catch {
    // Managed servers forbid CONFIG; then there is nothing to warn of.
  }
}
