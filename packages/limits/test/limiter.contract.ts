import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hold, Limiter, Refusal, ReserveRequest, Subject } from '../src/index.ts';
import type { Backend } from './world.ts';
import { Books, HOUR, MINUTE, newId, NOW, request, subject, unlimited, usd, ZONE } from './world.ts';

/** What every place that keeps limits must do: run on memory, on a Redis server and on a Redis Cluster. */
export function limiterContract(name: string, open: () => Promise<Backend>): void {
  describe(name, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await open();
    });
    afterAll(() => backend.close());

    async function admitted(limiter: Limiter, asked: ReserveRequest): Promise<Hold> {
      const answer = await limiter.reserve(asked);
      if (!answer.ok) throw new Error(`refused: ${answer.refusal.limitType}`);
      return answer.hold;
    }

    async function refused(limiter: Limiter, asked: ReserveRequest): Promise<Refusal> {
      const answer = await limiter.reserve(asked);
      if (answer.ok) throw new Error('admitted');
      return answer.refusal;
    }

    async function spend(limiter: Limiter, key: Subject, user: Subject, nanos: bigint, now = NOW): Promise<void> {
      const hold = await admitted(limiter, request(key, user, { now }));
      await hold.settle({ nanos, now });
    }

    describe('requests per minute', () => {
      it('200 parallel requests against 60 pass exactly 60', async () => {
        const limiters = backend.shared ? [backend.limiter(), backend.limiter()] : [backend.limiter()];
        const user = subject('user', {}, { rpm: 60 });
        const keys = [subject('key'), subject('key')];
        const answers = await Promise.all(
          Array.from({ length: 200 }, (_, index) =>
            limiters[index % limiters.length]?.reserve(request(keys[index % 2] ?? user, user)),
          ),
        );
        expect(answers.filter((answer) => answer?.ok)).toHaveLength(60);
        const refusal = answers.flatMap((answer) => (answer?.ok === false ? [answer.refusal] : []))[0];
        expect(refusal).toEqual({
          limitType: 'rpm',
          subject: { kind: 'user', id: user.id },
          unit: 'requests',
          current: 60n,
          limit: 60n,
          resetAt: NOW + MINUTE,
        });
      });

      it('slide: a request leaves the window after 60 s, refused ones never entered it', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user', {}, { rpm: 2 }), subject('key')];
        await admitted(limiter, request(key, user, { now: NOW }));
        await admitted(limiter, request(key, user, { now: NOW + 30_000 }));
        await refused(limiter, request(key, user, { now: NOW + 59_999 }));
        await admitted(limiter, request(key, user, { now: NOW + 60_000 }));
        await refused(limiter, request(key, user, { now: NOW + 60_001 }));
      });
    });

    describe('concurrent sessions', () => {
      it('never exceed the limit, however many ask at once', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { concurrentSessions: 5 })];
        const answers = await Promise.all(
          Array.from({ length: 60 }, (_, index) => limiter.reserve(request(key, user, { session: { id: `s${index % 20}` } }))),
        );
        const sessions = new Set(answers.flatMap((answer) => (answer.ok ? [answer.hold.session?.id] : [])));
        expect(sessions.size).toBe(5);
        // Three requests of each session that is in.
        expect(answers.filter((answer) => answer.ok)).toHaveLength(15);
        const [now] = await limiter.peekUser(user, [], NOW, ZONE);
        expect(now?.sessions).toBe(5);
      });

      it('a limit of 1 lets one session in, again and again', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { concurrentSessions: 1 })];
        const first = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        await first.settle({ nanos: 0n, now: NOW });
        await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        expect(await refused(limiter, request(key, user, { session: { id: 'b' } }))).toEqual({
          limitType: 'concurrent_sessions',
          subject: { kind: 'key', id: key.id },
          unit: 'sessions',
          current: 1n,
          limit: 1n,
          resetAt: NOW,
        });
      });

      it('of a user count over all keys, and equal ids of two keys are two sessions', async () => {
        const limiter = backend.limiter();
        const user = subject('user', { concurrentSessions: 2 });
        const keys = [subject('key'), subject('key'), subject('key')] as const;
        await admitted(limiter, request(keys[0], user, { session: { id: 'same' } }));
        await admitted(limiter, request(keys[1], user, { session: { id: 'same' } }));
        const refusal = await refused(limiter, request(keys[2], user, { session: { id: 'same' } }));
        expect(refusal.subject).toEqual({ kind: 'user', id: user.id });
      });

      it('a served session stays active for the idle time, an unserved one is free at once', async () => {
        const limiter = backend.limiter({ sessionIdleMs: 5 * MINUTE });
        const [user, key] = [subject('user'), subject('key', { concurrentSessions: 1 })];
        const unserved = await admitted(limiter, request(key, user, { session: { id: 'unserved' } }));
        await unserved.release(NOW);
        const served = await admitted(limiter, request(key, user, { session: { id: 'served' } }));
        await served.settle({ nanos: 1n, now: NOW });
        const again = await admitted(limiter, request(key, user, { session: { id: 'served' }, now: NOW + 1 }));
        await again.release(NOW + 2);
        await refused(limiter, request(key, user, { session: { id: 'b' }, now: NOW + 5 * MINUTE - 1 }));
        await admitted(limiter, request(key, user, { session: { id: 'b' }, now: NOW + 5 * MINUTE }));
      });

      it('with an idle time of 0 a session ends with its last request', async () => {
        const limiter = backend.limiter({ sessionIdleMs: 0 });
        const [user, key] = [subject('user'), subject('key', { concurrentSessions: 1 })];
        const two = [
          await admitted(limiter, request(key, user, { session: { id: 'a' } })),
          await admitted(limiter, request(key, user, { session: { id: 'a' } })),
        ];
        await two[0]?.settle({ nanos: 1n, now: NOW });
        await refused(limiter, request(key, user, { session: { id: 'b' } }));
        await two[1]?.release(NOW);
        await admitted(limiter, request(key, user, { session: { id: 'b' } }));
      });

      it('a lease that is not renewed ends: nothing sticks', async () => {
        const dead = backend.limiter({ leaseMs: MINUTE, renewEveryMs: HOUR });
        const [user, key] = [subject('user', { totalNanos: usd(1) }, { hard: true }), subject('key', { concurrentSessions: 1 })];
        await admitted(dead, request(key, user, { session: { id: 'a' }, estimateNanos: usd(1) }));
        await refused(dead, request(key, user, { session: { id: 'b' }, now: NOW + MINUTE - 1 }));
        const free = await admitted(dead, request(key, user, { session: { id: 'b' }, estimateNanos: usd(1), now: NOW + MINUTE }));
        expect(free.grantedNanos).toBe(usd(1));
      });

      it('a request without a session does not count', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { concurrentSessions: 1 })];
        await admitted(limiter, request(key, user));
        await admitted(limiter, request(key, user));
        await admitted(limiter, request(key, user, { session: { id: 'a' } }));
      });
    });

    describe('sessions', () => {
      it('number their requests and remember their provider', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key')];
        const first = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        expect(first.session).toEqual({ id: 'a', alternative: false, sequence: 1, boundProvider: undefined });
        await first.settle({ nanos: 0n, now: NOW, binding: { providerId: 4, rule: 'absent' } });
        const second = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        expect(second.session).toMatchObject({ sequence: 2, boundProvider: 4 });
        await second.settle({ nanos: 0n, now: NOW, binding: { providerId: 5, rule: 'absent' } });
        const third = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        expect(third.session).toMatchObject({ sequence: 3, boundProvider: 4 });
        await third.settle({ nanos: 0n, now: NOW, binding: { providerId: 5, rule: 'overwrite' } });
        const other = await admitted(limiter, request(subject('key'), user, { session: { id: 'a' } }));
        expect(other.session).toMatchObject({ sequence: 1, boundProvider: undefined });
        const session = { userId: user.id, keyId: key.id, sessionId: 'a' };
        await limiter.bind(session, { providerId: 6, rule: 'absent' });
        expect((await admitted(limiter, request(key, user, { session: { id: 'a' } }))).session).toMatchObject({ boundProvider: 5 });
        await limiter.bind(session, { providerId: 6, rule: 'overwrite' });
        expect((await admitted(limiter, request(key, user, { session: { id: 'a' } }))).session).toMatchObject({ boundProvider: 6 });
      });

      it('take the alternative while a request of theirs is in flight', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key')];
        const provider = subject('provider', { concurrentSessions: 2 });
        const asked = (alternativeId: string) => request(key, user, { session: { id: 'a', alternativeId }, provider });
        const first = await admitted(limiter, asked('x'));
        expect(first.session).toMatchObject({ id: 'a', alternative: false });
        const second = await admitted(limiter, asked('y'));
        expect(second.session).toMatchObject({ id: 'y', alternative: true, sequence: 1 });
        expect((await limiter.peekProvider(provider, NOW, ZONE)).sessions).toBe(2);
        await first.settle({ nanos: 0n, now: NOW });
        expect((await admitted(limiter, asked('z'))).session).toMatchObject({ id: 'a', sequence: 2 });
      });

      it('are forgotten when terminated', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { concurrentSessions: 1 })];
        const hold = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        await hold.settle({ nanos: 0n, now: NOW, binding: { providerId: 9, rule: 'absent' } });
        await limiter.terminate({ userId: user.id, keyId: key.id, sessionId: 'a' });
        const other = await admitted(limiter, request(key, user, { session: { id: 'b' } }));
        await other.release(NOW);
        const again = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        expect(again.session).toMatchObject({ sequence: 1, boundProvider: undefined });
      });
    });

    describe('spending', () => {
      it.each([
        ['totalNanos', 'usd_total', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
        ['fiveHourNanos', 'usd_5h', NOW + 5 * HOUR],
        ['dailyNanos', 'daily_quota', Date.parse('2026-11-25T00:00:00+08:00')],
        ['weeklyNanos', 'usd_weekly', Date.parse('2026-11-30T00:00:00+08:00')],
        ['monthlyNanos', 'usd_monthly', Date.parse('2026-12-01T00:00:00+08:00')],
      ] as const)('%s of key and of user is refused as %s once spent ≥ limit', async (rule, limitType, resetAt) => {
        for (const kind of ['key', 'user'] as const) {
          const limiter = backend.limiter();
          const limited = subject(kind, { [rule]: usd(1) });
          const [key, user] = kind === 'key' ? [limited, subject('user')] : [subject('key'), limited];
          await spend(limiter, key, user, usd(0.4));
          await spend(limiter, kind === 'key' ? key : subject('key'), user, usd(0.6));
          expect(await refused(limiter, request(key, user))).toEqual({
            limitType,
            subject: { kind, id: limited.id },
            unit: 'nanos',
            current: usd(1),
            limit: usd(1),
            resetAt,
          });
        }
      });

      it('is refused in the order total, concurrent, rpm, 5h, day, week, month, the key first', async () => {
        const everything = {
          totalNanos: 1n,
          concurrentSessions: 1,
          fiveHourNanos: 1n,
          dailyNanos: 1n,
          weeklyNanos: 1n,
          monthlyNanos: 1n,
        };
        const limiter = backend.limiter();
        const [keyId, userId] = [newId(), newId()];
        const open = { key: { ...everything }, user: { ...everything }, rpm: 1 };
        const ask = (): ReserveRequest =>
          request(
            { kind: 'key', id: keyId, rules: { ...unlimited, ...open.key } },
            { kind: 'user', id: userId, rules: { ...unlimited, ...open.user }, rpm: open.rpm },
            { session: { id: `s${newId()}` } },
          );
        const hold = await admitted(limiter, ask());
        await hold.settle({ nanos: 1n, now: NOW });
        const seen: string[] = [];
        const lift = { usd_total: 'totalNanos', concurrent_sessions: 'concurrentSessions', usd_5h: 'fiveHourNanos', daily_quota: 'dailyNanos', usd_weekly: 'weeklyNanos', usd_monthly: 'monthlyNanos' } as const;
        for (let step = 0; step < 13; step += 1) {
          const refusal = await refused(limiter, ask());
          seen.push(`${refusal.subject.kind} ${refusal.limitType}`);
          if (refusal.limitType === 'rpm') open.rpm = 0;
          else if (refusal.subject.kind === 'key') Object.assign(open.key, { [lift[refusal.limitType]]: 0n });
          else Object.assign(open.user, { [lift[refusal.limitType]]: 0n });
          if (refusal.limitType === 'concurrent_sessions') Object.assign(open[refusal.subject.kind === 'key' ? 'key' : 'user'], { concurrentSessions: 0 });
        }
        expect(seen).toEqual([
          'key usd_total', 'user usd_total', 'key concurrent_sessions', 'user concurrent_sessions', 'user rpm',
          'key usd_5h', 'user usd_5h', 'key daily_quota', 'user daily_quota', 'key usd_weekly', 'user usd_weekly',
          'key usd_monthly', 'user usd_monthly',
        ]);
        await admitted(limiter, ask());
      });

      it('null and zero are no limits', async () => {
        const limiter = backend.limiter();
        const zero = { totalNanos: 0n, fiveHourNanos: 0n, dailyNanos: -1n, concurrentSessions: 0 };
        const [user, key] = [subject('user', zero, { rpm: 0 }), subject('key', zero)];
        await spend(limiter, key, user, usd(1000));
        await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        await admitted(limiter, request(key, user, { session: { id: 'b' } }));
      });

      it('is counted once per record', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user', { totalNanos: usd(10) }), subject('key')];
        const asked = request(key, user);
        const hold = await admitted(limiter, asked);
        await Promise.all([hold.settle({ nanos: usd(1), now: NOW }), hold.settle({ nanos: usd(1), now: NOW })]);
        const same = await admitted(limiter, asked);
        await same.settle({ nanos: usd(1), now: NOW });
        const [now] = await limiter.peekUser(user, [], NOW, ZONE);
        expect(now?.spent?.total).toBe(usd(1));
      });

      it('leaves windows when they end', async () => {
        const limiter = backend.limiter();
        const user = subject('user');
        const at = (text: string): number => Date.parse(text);
        const cases: [Partial<typeof unlimited>, number, number][] = [
          [{ fiveHourNanos: 1n }, NOW + 5 * HOUR - 1, NOW + 5 * HOUR + 5 * MINUTE],
          [{ dailyNanos: 1n }, at('2026-11-24T23:59:59.999+08:00'), at('2026-11-25T00:00:00+08:00')],
          [{ dailyNanos: 1n, dailyReset: { mode: 'fixed', minuteOfDay: 18 * 60 } }, at('2026-11-24T17:59:59.999+08:00'), at('2026-11-24T18:00:00+08:00')],
          [{ dailyNanos: 1n, dailyReset: { mode: 'rolling', minuteOfDay: 0 } }, NOW + 24 * HOUR - 1, NOW + 24 * HOUR + 15 * MINUTE],
          [{ weeklyNanos: 1n }, at('2026-11-29T23:59:59.999+08:00'), at('2026-11-30T00:00:00+08:00')],
          [{ monthlyNanos: 1n }, at('2026-11-30T23:59:59.999+08:00'), at('2026-12-01T00:00:00+08:00')],
        ];
        for (const [rules, last, first] of cases) {
          const key = subject('key', rules);
          await spend(limiter, key, user, 1n);
          await refused(limiter, request(key, user, { now: last }));
          await admitted(limiter, request(key, user, { now: first }));
        }
      });

      it('sums rolling windows bucket by bucket', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { fiveHourNanos: 1000n })];
        for (let step = 0; step <= 10; step += 1) await spend(limiter, key, user, 10n, NOW + step * 30 * MINUTE);
        const sumAt = async (now: number) => (await limiter.peekUser(user, [key], now, ZONE))[1]?.spent?.fiveHour;
        expect(await sumAt(NOW + 5 * HOUR)).toBe(110n);
        expect(await sumAt(NOW + 5 * HOUR + 5 * MINUTE)).toBe(100n);
        expect(await sumAt(NOW + 7 * HOUR + 5 * MINUTE)).toBe(60n);
        expect(await sumAt(NOW + 100 * HOUR)).toBe(0n);
        await spend(limiter, key, user, 7n, NOW + 100 * HOUR);
        expect(await sumAt(NOW + 100 * HOUR)).toBe(7n);
      });

      it('counts in the window in which the request began', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { dailyNanos: usd(9), totalNanos: usd(9) })];
        const beforeMidnight = Date.parse('2026-11-24T23:59:00+08:00');
        const afterMidnight = Date.parse('2026-11-25T00:05:00+08:00');
        const long = await admitted(limiter, request(key, user, { now: beforeMidnight }));
        await spend(limiter, key, user, usd(1), afterMidnight);
        await long.settle({ nanos: usd(5), now: afterMidnight + 1 });
        const [, now] = await limiter.peekUser(user, [key], afterMidnight + 2, ZONE);
        expect(now?.spent).toMatchObject({ daily: usd(1), total: usd(6) });
      });

      it('a day of 25 hours has its own 25th hour', async () => {
        const limiter = backend.limiter();
        const zoned = { timeZone: 'Europe/Berlin' };
        const [user, key] = [subject('user'), subject('key', { dailyNanos: 1n })];
        const morning = Date.parse('2026-10-25T00:30:00+02:00');
        const hold = await admitted(limiter, request(key, user, { ...zoned, now: morning }));
        await hold.settle({ nanos: 1n, now: morning });
        const refusal = await refused(limiter, request(key, user, { ...zoned, now: Date.parse('2026-10-25T23:59:00+01:00') }));
        expect(refusal.resetAt).toBe(Date.parse('2026-10-26T00:00:00+01:00'));
        await admitted(limiter, request(key, user, { ...zoned, now: Date.parse('2026-10-26T00:00:00+01:00') }));
      });

      it('keeps nano-dollars exact at the size of real budgets', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { totalNanos: usd(2_000_000) })];
        await spend(limiter, key, user, usd(1_234_567) + 1n);
        await spend(limiter, key, user, 123_456_789n);
        const [, now] = await limiter.peekUser(user, [key], NOW, ZONE);
        expect(now?.spent?.total).toBe(1_234_567_123_456_790n);
      });
    });

    describe('hard budgets', () => {
      it('spending never exceeds the limit, however many spend the most they may', async () => {
        const limiter = backend.limiter();
        const user = subject('user', { dailyNanos: usd(1) }, { hard: true });
        const keys = [subject('key'), subject('key')];
        const answers = await Promise.all(
          Array.from({ length: 40 }, async (_, index) => {
            const key = keys[index % 2] ?? user;
            const answer = await limiter.reserve(request(key, user, { estimateNanos: usd(0.3), minimumNanos: usd(0.05) }));
            if (!answer.ok) return 0n;
            const nanos = answer.hold.grantedNanos ?? 0n;
            await answer.hold.settle({ nanos, now: NOW });
            return nanos;
          }),
        );
        expect(answers.reduce((sum, nanos) => sum + nanos, 0n)).toBe(usd(1));
        const refusal = await refused(limiter, request(keys[0] ?? user, user, { estimateNanos: 1n }));
        expect(refusal).toMatchObject({ limitType: 'daily_quota', current: usd(1) });
      });

      it('grants what is left, refuses less than the minimum, and gives the rest back', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key', { totalNanos: usd(1) }, { hard: true })];
        const asked = (estimate: number, minimum: number) =>
          request(key, user, { estimateNanos: usd(estimate), minimumNanos: usd(minimum) });
        const first = await admitted(limiter, asked(0.7, 0.1));
        expect(first.grantedNanos).toBe(usd(0.7));
        const second = await admitted(limiter, asked(0.7, 0.1));
        expect(second.grantedNanos).toBe(usd(0.3));
        expect(await refused(limiter, asked(0.7, 0.1))).toMatchObject({ limitType: 'usd_total', current: usd(1) });
        await first.settle({ nanos: usd(0.2), now: NOW });
        await second.release(NOW);
        await refused(limiter, asked(0.9, 0.9));
        expect((await admitted(limiter, asked(0.9, 0.8))).grantedNanos).toBe(usd(0.8));
      });

      it('a soft key of a soft user reserves nothing', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user', { totalNanos: 1n }), subject('key')];
        const hold = await admitted(limiter, request(key, user, { estimateNanos: usd(5) }));
        expect(hold.grantedNanos).toBeUndefined();
        await admitted(limiter, request(key, user, { estimateNanos: usd(5) }));
      });
    });

    describe('providers', () => {
      it('are entered in the same step, refused alone, left for the next, and pay at the end', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key')];
        const full = subject('provider', { concurrentSessions: 1 });
        const free = subject('provider', { dailyNanos: usd(5) });
        const holder = await admitted(limiter, request(key, user, { session: { id: 'a' }, provider: full }));
        const answer = await limiter.reserve(request(key, user, { session: { id: 'b' }, provider: full }));
        if (!answer.ok) throw new Error('the request itself is fine');
        expect(answer.provider).toMatchObject({ ok: false, refusal: { limitType: 'concurrent_sessions', subject: { kind: 'provider', id: full.id } } });
        expect(limiter.recentRefusal(full.id, NOW)?.limitType).toBe('concurrent_sessions');
        expect(await answer.hold.enter(free, NOW)).toEqual({ ok: true });
        await holder.enter(free, NOW);
        await answer.hold.settle({ nanos: usd(2), now: NOW });
        await holder.settle({ nanos: usd(1), now: NOW });
        const spent = await limiter.peekProvider(free, NOW, ZONE);
        expect(spent).toMatchObject({ sessions: 2, spent: { daily: usd(3), fiveHour: usd(3) } });
        expect((await limiter.peekProvider(full, NOW, ZONE)).sessions).toBe(0);
      });

      it('over a cost limit are refused until the window ends', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user'), subject('key')];
        const provider = subject('provider', { fiveHourNanos: usd(1) });
        const hold = await admitted(limiter, request(key, user, { provider }));
        await hold.settle({ nanos: usd(1), now: NOW });
        const answer = await limiter.reserve(request(key, user, { provider }));
        expect(answer).toMatchObject({ ok: true, provider: { ok: false, refusal: { limitType: 'usd_5h', current: usd(1) } } });
        const later = await limiter.reserve(request(key, user, { provider, now: NOW + 6 * HOUR }));
        expect(later).toMatchObject({ ok: true, provider: { ok: true } });
      });

      it('a refused request leaves its provider alone', async () => {
        const limiter = backend.limiter();
        const [user, key] = [subject('user', {}, { rpm: 1 }), subject('key')];
        const provider = subject('provider', { concurrentSessions: 1 });
        const first = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
        await first.release(NOW);
        await refused(limiter, request(key, user, { session: { id: 'b' }, provider }));
        expect((await limiter.peekProvider(provider, NOW, ZONE)).sessions).toBe(0);
      });

      it('count spending since their reset only', async () => {
        const books = new Books();
        const limiter = backend.limiter({ warm: books.warm });
        const provider = subject('provider', { totalNanos: usd(3) });
        books.add([provider], usd(3), NOW - 2 * HOUR);
        books.add([provider], usd(1), NOW - HOUR);
        const [user, key] = [subject('user'), subject('key')];
        const all = await limiter.reserve(request(key, user, { provider }));
        expect(all).toMatchObject({ provider: { ok: false, refusal: { current: usd(4) } } });
        const reset = await limiter.reserve(request(key, user, { provider: { ...provider, totalSince: NOW - 90 * MINUTE } }));
        expect(reset).toMatchObject({ provider: { ok: true } });
      });
    });

    describe('cold counters', () => {
      it('are rebuilt from the database, once, before anybody is admitted', async () => {
        const books = new Books();
        const limiter = backend.limiter({ warm: books.warm });
        const user = subject('user', { dailyNanos: usd(1), fiveHourNanos: usd(10), weeklyNanos: usd(10), monthlyNanos: usd(10), totalNanos: usd(10) });
        const key = subject('key');
        books.add([user, key], usd(0.25), NOW - 2 * HOUR);
        books.add([user, key], usd(0.5), NOW - 6 * HOUR);
        books.add([user, key], usd(1), NOW - 20 * HOUR);
        books.add([user, key], usd(2), NOW - 20 * 24 * HOUR);
        books.add([user, key], usd(4), NOW - 400 * 24 * HOUR);
        const answers = await Promise.all(Array.from({ length: 20 }, () => limiter.reserve(request(key, user))));
        expect(answers.every((answer) => answer.ok)).toBe(true);
        expect(books.asked).toHaveLength(1);
        const [now] = await limiter.peekUser(user, [], NOW, ZONE);
        expect(now?.spent).toMatchObject({
          fiveHour: usd(0.25),
          daily: usd(0.75),
          weekly: usd(1.75),
          monthly: usd(3.75),
          total: usd(7.75),
        });
      });

      it('of rolling days come in buckets that leave on time', async () => {
        const books = new Books();
        const limiter = backend.limiter({ warm: books.warm });
        const user = subject('user', { dailyNanos: usd(9), dailyReset: { mode: 'rolling', minuteOfDay: 0 } });
        books.add([user], usd(1), NOW - 23 * HOUR);
        books.add([user], usd(2), NOW - HOUR);
        await admitted(limiter, request(subject('key'), user));
        const dailyAt = async (now: number) => (await limiter.peekUser(user, [], now, ZONE))[0]?.spent?.daily;
        expect(await dailyAt(NOW)).toBe(usd(3));
        expect(await dailyAt(NOW + HOUR + 15 * MINUTE)).toBe(usd(2));
      });

      it('what is settled during the rebuilding is neither lost nor counted twice', async () => {
        const books = new Books();
        const limiter = backend.limiter({ warm: books.warm });
        const key = subject('key');
        const plain = subject('user');
        const limited: Subject = { ...plain, rules: { ...unlimited, totalNanos: usd(100) } };
        // In flight since before there was a limit; one of them reaches the database before it is read, one does not.
        const early = request(key, plain);
        const late = request(key, plain);
        const holds = [await admitted(limiter, early), await admitted(limiter, late)];
        let openGate = (): void => {};
        books.gate = new Promise((resolve) => (openGate = resolve));
        const waiting = limiter.reserve(request(key, limited));
        await expect.poll(() => books.asked.length).toBe(1);
        await holds[0]?.settle({ nanos: usd(1), now: NOW });
        await holds[1]?.settle({ nanos: usd(2), now: NOW });
        books.add([plain], usd(1), NOW, NOW, early.recordId);
        books.add([plain], usd(4), NOW - HOUR, NOW - HOUR);
        openGate();
        expect((await waiting).ok).toBe(true);
        const [now] = await limiter.peekUser(limited, [], NOW, ZONE);
        expect(now?.spent?.total).toBe(usd(7));
      });

      it('a settlement that arrives after the rows were read is not doubled', async () => {
        const books = new Books();
        const limiter = backend.limiter({ warm: books.warm });
        const [key, user] = [subject('key'), subject('user', { totalNanos: usd(100) })];
        const asked = request(key, user);
        books.add([user], usd(3), NOW, NOW, asked.recordId);
        const hold = await admitted(limiter, asked);
        await hold.settle({ nanos: usd(3), now: NOW });
        const [now] = await limiter.peekUser(user, [], NOW, ZONE);
        expect(now?.spent?.total).toBe(usd(3));
      });

      it('without a database they begin at what is known, are kept apart, and are rebuilt when it is back', async () => {
        const books = new Books();
        books.failure = new Error('the control plane is away');
        const limiter = backend.limiter({ warm: books.warm, warmTimeoutMs: 200 });
        const [key, user] = [subject('key'), subject('user', { totalNanos: usd(10) })];
        books.add([user], usd(4), NOW - HOUR);
        await spend(limiter, key, user, usd(1));
        expect((await limiter.peekUser(user, [], NOW, ZONE))[0]?.spent?.total).toBe(usd(1));
        books.failure = undefined;
        await admitted(limiter, request(key, user, { now: NOW + MINUTE }));
        expect((await limiter.peekUser(user, [], NOW + MINUTE, ZONE))[0]?.spent?.total).toBe(usd(5));
      });

      it('are rebuilt when the meaning of a window changes, and when they are forgotten', async () => {
        const books = new Books();
        const limiter = backend.limiter({ warm: books.warm });
        const [key, user] = [subject('key'), subject('user', { dailyNanos: usd(9) })];
        books.add([user], usd(2), NOW - 30 * MINUTE);
        books.add([user], usd(1), NOW - 3 * HOUR);
        await admitted(limiter, request(key, user));
        const later: Subject = { ...user, rules: { ...user.rules, dailyReset: { mode: 'fixed', minuteOfDay: 15 * 60 } } };
        await admitted(limiter, request(key, later));
        expect((await limiter.peekUser(later, [], NOW, ZONE))[0]?.spent?.daily).toBe(usd(2));
        books.add([user], usd(1), NOW - MINUTE);
        await limiter.forget({ kind: 'user', id: user.id });
        await admitted(limiter, request(key, later));
        expect((await limiter.peekUser(later, [], NOW, ZONE))[0]?.spent?.daily).toBe(usd(3));
        expect(books.asked).toHaveLength(3);
      });

      it('nobody without a spending limit waits for a database', async () => {
        const books = new Books();
        const limiter = backend.limiter({ warm: books.warm });
        await spend(limiter, subject('key', { concurrentSessions: 3 }), subject('user', {}, { rpm: 3 }), usd(1));
        expect(books.asked).toHaveLength(0);
      });
    });
  });
}
