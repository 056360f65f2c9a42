import { recordId, silentLogger } from '@hub/service';
import { redisAvailable, startRedis } from '@hub/testkit';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hold, Limiter, LimitRules, Subject } from '../src/index.ts';
import { createLimiter } from '../src/index.ts';
import { redisBackend } from './redis-backend.ts';
import type { Backend } from './world.ts';
import { Books, newId, NOW, unlimited, ZONE } from './world.ts';

const amount = fc.oneof(fc.constant(undefined), fc.bigInt({ min: 1n, max: 300n }));
const rules: fc.Arbitrary<LimitRules> = fc.record({
  fiveHourNanos: amount,
  dailyNanos: amount,
  weeklyNanos: amount,
  monthlyNanos: amount,
  totalNanos: amount,
  concurrentSessions: fc.constantFrom(undefined, 1, 2),
  dailyReset: fc.record({ mode: fc.constantFrom('fixed' as const, 'rolling' as const), minuteOfDay: fc.constantFrom(0, 990) }),
});
const world = fc.record({
  user: rules,
  keys: fc.array(rules, { minLength: 2, maxLength: 2 }),
  providers: fc.array(rules, { minLength: 2, maxLength: 2 }),
  rpm: fc.constantFrom(undefined, 3),
  hard: fc.array(fc.boolean(), { minLength: 2, maxLength: 2 }),
  spentBefore: fc.array(fc.record({ hoursAgo: fc.nat(60), nanos: fc.bigInt({ min: 1n, max: 20n }) }), { maxLength: 4 }),
});
const step = fc.record({
  act: fc.constantFrom('reserve', 'reserve', 'reserve', 'settle', 'settle', 'release', 'enter', 'wait', 'terminate', 'bind'),
  which: fc.nat(99),
  nanos: fc.bigInt({ min: 0n, max: 90n }),
  waitMs: fc.constantFrom(1, 20_000, 70_000, 400_000, 3_700_000, 40_000_000),
  withProvider: fc.boolean(),
  alternative: fc.boolean(),
});

/** Redis expires by its own clock, these histories have another: nothing may expire in them. */
const TTL = 1_000_000_000_000;

interface Step {
  readonly act: string;
  readonly which: number;
  readonly nanos: bigint;
  readonly waitMs: number;
  readonly withProvider: boolean;
  readonly alternative: boolean;
}

interface Cast {
  readonly user: Subject;
  readonly keys: readonly Subject[];
  readonly providers: readonly Subject[];
}

/** Plays a history and writes down everything that can be seen of it. */
async function play(limiter: Limiter, { user, keys, providers }: Cast, history: readonly (Step & { id: string })[]): Promise<unknown[]> {
  const seen: unknown[] = [];
  const holds: Hold[] = [];
  let now = NOW;
  for (const { act, which, nanos, waitMs, withProvider, alternative, id } of history) {
    const key = keys[which % keys.length] ?? user;
    const provider = providers[which % providers.length] ?? user;
    const sessionId = `s${which % 4}`;
    const hold = holds[which % Math.max(holds.length, 1)];
    if (act === 'wait') now += waitMs;
    else if (act === 'terminate') await limiter.terminate({ userId: user.id, keyId: key.id, sessionId });
    else if (act === 'bind') await limiter.bind({ userId: user.id, keyId: key.id, sessionId }, { providerId: which + 1, rule: alternative ? 'overwrite' : 'absent', ttlMs: TTL });
    else if (act === 'reserve') {
      const answer = await limiter.reserve({
        recordId: id,
        now,
        timeZone: ZONE,
        user,
        key,
        session: which % 5 === 0 ? undefined : { id: sessionId, alternativeId: alternative ? `other-${id}` : undefined },
        estimateNanos: nanos,
        minimumNanos: nanos / 2n,
        provider: withProvider ? provider : undefined,
      });
      if (answer.ok) holds.push(answer.hold);
      seen.push(answer.ok ? { granted: answer.hold.grantedNanos, session: answer.hold.session, provider: answer.provider } : answer);
    } else if (hold !== undefined) {
      if (act === 'enter') seen.push(await hold.enter(provider, now));
      else if (act === 'release') await hold.release(now);
      else await hold.settle({ nanos, now, binding: alternative ? { providerId: 7, rule: 'absent', ttlMs: TTL } : undefined });
    }
    seen.push(await limiter.peekUser(user, keys, now, ZONE));
    for (const each of providers) seen.push(await limiter.peekProvider(each, now, ZONE));
  }
  return seen;
}

describe.skipIf(!redisAvailable)('Redis and its memory twin', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await redisBackend(await startRedis(), 1);
  });
  afterAll(() => backend.close());

  it('answer every history alike', async () => {
    const books = new Books();
    const options = { warm: books.warm, renewEveryMs: 3_600_000, sessionTtlMs: TTL };
    const shared = backend.limiter(options);
    await fc.assert(
      fc.asyncProperty(world, fc.array(step, { minLength: 5, maxLength: 40 }), async (given, steps) => {
        const subjectOf = (kind: Subject['kind'], limits: LimitRules, more: Partial<Subject> = {}): Subject => ({
          kind,
          id: newId(),
          rules: { ...unlimited, ...limits },
          ...more,
        });
        const cast: Cast = {
          user: subjectOf('user', given.user, { rpm: given.rpm, hard: given.hard[0] }),
          keys: given.keys.map((limits) => subjectOf('key', limits, { hard: given.hard[1] })),
          providers: given.providers.map((limits) => subjectOf('provider', limits)),
        };
        for (const { hoursAgo, nanos } of given.spentBefore) {
          books.add([cast.user, ...cast.keys.slice(0, 1), ...cast.providers.slice(1)], nanos, NOW - hoursAgo * 3_600_000);
        }
        const history = steps.map((each) => ({ ...each, id: recordId(NOW) }));
        const alone = createLimiter({ clock: { now: () => NOW }, log: silentLogger, ...options });
        try {
          expect(await play(shared, cast, history)).toEqual(await play(alone, cast, history));
        } finally {
          await alone.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});
