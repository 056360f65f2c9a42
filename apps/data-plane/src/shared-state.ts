import { type Client, LimitsService, type Provider, type Snapshot, SubjectKind } from '@hub/contract';
import { type Breakers, createBreakers, createLimiter, createSessionDirectory, type Limiter, openRedis, type RedisClient, type SessionDirectory, type WarmUp } from '@hub/limits';
import type { Clock, Logger } from '@hub/service';
import type { Env } from './env.ts';
import type { Shipper } from './ledger/shipper.ts';
import type { ProviderState } from './plan.ts';

/** What all data planes know together: limits, sessions and breakers, in Redis if there is one. */
export interface SharedState {
  readonly limiter: Limiter;
  readonly breakers: Breakers;
  readonly sessions: SessionDirectory;
  stateOf(provider: Provider): ProviderState;
  /** Learns what other nodes know of the breakers of these providers. */
  follow(snapshot: Snapshot): void;
  close(): Promise<void>;
}

export interface SharedStateOptions {
  readonly env: Env;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeId: string;
  readonly limits: Client<typeof LimitsService>;
  readonly shipper: Shipper;
  readonly nameOf: (providerId: number) => string;
}

export async function openSharedState({ env, clock, log, nodeId, limits, shipper, nameOf }: SharedStateOptions): Promise<SharedState> {
  const redis: RedisClient | undefined = env.redisUrl === '' || !env.rateLimits ? undefined : await openRedis({ urls: env.redisUrl, log });
  const limiter = createLimiter({
    redis,
    warm: warmOver(limits),
    clock,
    log,
    nodeId,
    sessionTtlMs: env.sessionTtlSeconds * 1000,
    leaseMs: env.holdLeaseMs,
    renewEveryMs: Math.floor(env.holdLeaseMs / 3),
    redisTimeoutMs: env.redisTimeoutMs,
  });
  limiter.onModeChange((mode) => log.warn({ mode }, 'limits changed their mode'));
  const breakers = createBreakers({ redis, clock, log, redisIsThere: () => limiter.mode !== 'local', redisTimeoutMs: env.redisTimeoutMs });
  breakers.onTransition(({ own, to, providerId, record }) => {
    if (!own || to !== 'open') return;
    log.warn({ provider: providerId, failures: record.failures, until: record.openUntil }, 'circuit breaker opened');
    shipper.event({
      case: 'breakerOpened',
      value: {
        $typeName: 'hub.v1.BreakerOpened',
        providerId,
        providerName: nameOf(providerId),
        failureCount: record.failures,
        retryAtMs: BigInt(Math.round(record.openUntil)),
        lastError: '',
      },
    });
  });
  const sessions = createSessionDirectory({ redis, clock, log });
  return {
    limiter,
    breakers,
    sessions,
    stateOf(provider) {
      const now = clock.now();
      const refusal = limiter.recentRefusal(provider.id, now);
      return {
        circuit: breakers.phase(provider.id, provider.breaker, now),
        overLimit: refusal !== undefined && refusal.unit === 'nanos',
      };
    },
    follow(snapshot) {
      breakers.watch(snapshot.providers.keys()).catch((error: unknown) => log.warn({ err: error }, 'the state of the breakers could not be read'));
    },
    async close() {
      await sessions.close();
      await breakers.settled();
      breakers.close();
      await limiter.close();
      redis?.disconnect();
    },
  };
}

const kinds = { user: SubjectKind.USER, key: SubjectKind.KEY, provider: SubjectKind.PROVIDER } as const;

/** Asks the control plane, which asks the database. */
function warmOver(limits: Client<typeof LimitsService>): WarmUp {
  return async ({ subject, queries, recentSinceMs }, signal) => {
    const call = limits.warm(
      {
        queries: queries.map((query) => ({ kind: kinds[subject.kind], id: subject.id, sinceMs: BigInt(Math.floor(query.sinceMs)), bucketMs: BigInt(query.bucketMs) })),
        recentSinceMs: BigInt(Math.floor(recentSinceMs)),
      },
      {},
    );
    const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up')), { once: true }));
    const { answers, recent } = await Promise.race([call, aborted]);
    return {
      answers: answers.map(({ totalNanos, buckets }) => ({
        totalNanos,
        buckets: buckets.map(({ startMs, nanos }) => ({ startMs: Number(startMs), nanos })),
      })),
      recent: recent.map(({ recordId, nanos, startedAtMs }) => ({ recordId, nanos, startedAt: Number(startedAtMs) })),
    };
  };
}
