import { setTimeout as wait } from 'node:timers/promises';
import { type Breakers, createBreakers, createLimiter, createSessionDirectory, type Limiter, openRedis, type Standing, type SubjectNow } from '@hub/limits';
import type { Clock, Logger } from '@hub/service';
import type { BreakerState, LiveState, LiveSubject, Spent } from './live-state.ts';

export interface LiveStateOptions {
  /** The data planes' REDIS_URL. */
  readonly redisUrl: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** IANA name; the one that the data planes are told. */
  readonly timeZone: string;
  /** What a silent Redis may cost a call, ms: nobody but an admin waits. Default 500. */
  readonly patienceMs?: number;
}

/**
 * Looks into the Redis of the data planes with their own library, as an observer: it takes nothing, rebuilds no counters and
 * is none of the nodes among which limits are shared out. Waits for a connection for a second at the most; without one it
 * knows nothing until Redis is there.
 * @throws TypeError for an unusable URL
 */
export async function openLiveState({ redisUrl, clock, log, timeZone, patienceMs = 500 }: LiveStateOptions): Promise<LiveState> {
  const redis = await openRedis({ urls: redisUrl, log });
  const limiter = createLimiter({ redis, observer: true, warm: neverAsked, clock, log, redisTimeoutMs: patienceMs });
  const breakers = createBreakers({ redis, clock, log, redisIsThere: () => limiter.mode !== 'local', redisTimeoutMs: patienceMs });
  const directory = createSessionDirectory({ redis, clock, log });
  return {
    async standing(subject) {
      const now = await look(limiter, subject, { now: clock.now(), timeZone });
      return { sessions: now?.sessions ?? 0, spent: now?.spent && inUsd(now.spent) };
    },
    async breakers(rules) {
      await breakers.watch(rules.keys());
      const now = clock.now();
      return new Map([...rules].map(([id, own]) => [id, breakerState(breakers, breakers.phase(id, own, now), id)]));
    },
    resetBreaker: (providerId) => breakers.reset(providerId),
    sessions: (filter) => directory.active(filter),
    terminateSession: (session) => directory.terminate(session),
    async unreachable() {
      if (redis.status !== 'ready') return true;
      const answered = redis.ping().then(
        () => true,
        () => false,
      );
      return !(await Promise.race([answered, wait(patienceMs, false, { ref: false })]));
    },
    async close() {
      await directory.close();
      breakers.close();
      await limiter.close();
      redis.disconnect();
    },
  };
}

/** Counters are rebuilt by who admits requests. */
async function neverAsked(): Promise<never> {
  throw new Error('the control plane admits no requests');
}

async function look(limiter: Limiter, subject: LiveSubject, { now, timeZone }: { now: number; timeZone: string }): Promise<SubjectNow | undefined> {
  if (subject.kind === 'provider') return limiter.peekProvider(subject, now, timeZone);
  if (subject.kind === 'user') return (await limiter.peekUser(subject, [], now, timeZone))[0];
  // Only where the key lies is of interest here, not what its user has spent.
  const { userId, rules } = subject;
  return (await limiter.peekUser({ kind: 'user', id: userId, rules }, [subject], now, timeZone))[1];
}

function inUsd(spent: Standing): Spent {
  const usd = (nanos: bigint): number => Number(nanos) / 1e9;
  return { fiveHour: usd(spent.fiveHour), daily: usd(spent.daily), weekly: usd(spent.weekly), monthly: usd(spent.monthly), total: usd(spent.total) };
}

function breakerState(breakers: Breakers, circuitState: BreakerState['circuitState'], providerId: number): BreakerState {
  const { failures, lastFailureAt, openUntil } = breakers.record(providerId);
  return {
    circuitState,
    failureCount: failures,
    lastFailureTime: lastFailureAt ?? null,
    circuitOpenUntil: circuitState === 'open' ? openUntil : null,
  };
}
