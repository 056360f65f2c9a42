import { describe, expect, it } from 'vitest';
import type { ReserveRequest } from '../../src/index.ts';
import type { Backend } from '../world.ts';
import { admitted, HOUR, MINUTE, newId, NOW, refused, request, spend, subject, unlimited, usd, ZONE } from '../world.ts';

/** Spending limits and their windows. */
export function spendingContract(opened: () => Backend): void {
  const limiterOf: Backend['limiter'] = (options) => opened().limiter(options);

  describe('spending', () => {
    it.each([
      ['totalNanos', 'usd_total', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
      ['fiveHourNanos', 'usd_5h', NOW + 5 * HOUR],
      ['dailyNanos', 'daily_quota', Date.parse('2026-11-25T00:00:00+08:00')],
      ['weeklyNanos', 'usd_weekly', Date.parse('2026-11-30T00:00:00+08:00')],
      ['monthlyNanos', 'usd_monthly', Date.parse('2026-12-01T00:00:00+08:00')],
    ] as const)('%s of key and of user is refused as %s once spent ≥ limit', async (rule, limitType, resetAt) => {
      for (const kind of ['key', 'user'] as const) {
        const limiter = limiterOf();
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
      const limiter = limiterOf();
      const [keyId, userId] = [newId(), newId()];
      const limits = { key: { ...everything }, user: { ...everything }, rpm: 1 };
      const ask = (): ReserveRequest =>
        request(
          { kind: 'key', id: keyId, rules: { ...unlimited, ...limits.key } },
          { kind: 'user', id: userId, rules: { ...unlimited, ...limits.user }, rpm: limits.rpm },
          { session: { id: `s${newId()}` } },
        );
      const hold = await admitted(limiter, ask());
      await hold.settle({ nanos: 1n, now: NOW });
      const seen: string[] = [];
      const lift = { usd_total: 'totalNanos', concurrent_sessions: 'concurrentSessions', usd_5h: 'fiveHourNanos', daily_quota: 'dailyNanos', usd_weekly: 'weeklyNanos', usd_monthly: 'monthlyNanos' } as const;
      for (let step = 0; step < 13; step += 1) {
        const refusal = await refused(limiter, ask());
        seen.push(`${refusal.subject.kind} ${refusal.limitType}`);
        if (refusal.limitType === 'rpm') limits.rpm = 0;
        else if (refusal.subject.kind === 'key') Object.assign(limits.key, { [lift[refusal.limitType]]: 0n });
        else Object.assign(limits.user, { [lift[refusal.limitType]]: 0n });
        if (refusal.limitType === 'concurrent_sessions') Object.assign(limits[refusal.subject.kind === 'key' ? 'key' : 'user'], { concurrentSessions: 0 });
      }
      expect(seen).toEqual([
        'key usd_total', 'user usd_total', 'key concurrent_sessions', 'user concurrent_sessions', 'user rpm',
        'key usd_5h', 'user usd_5h', 'key daily_quota', 'user daily_quota', 'key usd_weekly', 'user usd_weekly',
        'key usd_monthly', 'user usd_monthly',
      ]);
      await admitted(limiter, ask());
    });

    it('null and zero are no limits', async () => {
      const limiter = limiterOf();
      const zero = { totalNanos: 0n, fiveHourNanos: 0n, dailyNanos: -1n, concurrentSessions: 0 };
      const [user, key] = [subject('user', zero, { rpm: 0 }), subject('key', zero)];
      await spend(limiter, key, user, usd(1000));
      await admitted(limiter, request(key, user, { session: { id: 'a' } }));
      await admitted(limiter, request(key, user, { session: { id: 'b' } }));
    });

    it('is counted once per record', async () => {
      const limiter = limiterOf();
      const [user, key] = [subject('user', { totalNanos: usd(10) }), subject('key')];
      const asked = request(key, user);
      const hold = await admitted(limiter, asked);
      await Promise.all([hold.settle({ nanos: usd(1), now: NOW }), hold.settle({ nanos: usd(1), now: NOW })]);
      const same = await admitted(limiter, asked);
      await same.settle({ nanos: usd(1), now: NOW });
      const [now] = await limiter.peekUser(user, [], NOW, ZONE);
      expect(now?.spent?.total).toBe(usd(1));
    });

    it('is unknown to who asks for another day than was counted', async () => {
      const limiter = limiterOf();
      const [user, key] = [subject('user', { dailyNanos: usd(10) }), subject('key')];
      await spend(limiter, key, user, usd(1));
      expect((await limiter.peekUser(user, [key], NOW, ZONE)).map(({ spent }) => spent?.daily)).toEqual([usd(1), undefined]);
      const moved = { ...user, rules: { ...user.rules, dailyReset: { mode: 'fixed', minuteOfDay: 90 } as const } };
      expect((await limiter.peekUser(moved, [], NOW, ZONE))[0]?.spent).toBeUndefined();
    });

    it('is not counted after a release', async () => {
      const limiter = limiterOf();
      const [user, key] = [subject('user', { totalNanos: usd(10) }), subject('key')];
      const hold = await admitted(limiter, request(key, user));
      await hold.release(NOW);
      await hold.settle({ nanos: usd(1), now: NOW });
      expect((await limiter.peekUser(user, [], NOW, ZONE))[0]?.spent?.total).toBe(0n);
    });

    it('by a node whose clock is days ahead does no lasting harm', async () => {
      const limiter = limiterOf();
      const rolling = { mode: 'rolling', minuteOfDay: 0 } as const;
      const [user, key] = [subject('user'), subject('key', { fiveHourNanos: usd(1), dailyNanos: usd(1), dailyReset: rolling })];
      await spend(limiter, key, user, 1n, NOW);
      await spend(limiter, key, user, 5n, NOW + 72 * HOUR);
      await spend(limiter, key, user, 3n, NOW);
      await spend(limiter, key, user, 2n, NOW + 240 * HOUR);
      const [, now] = await limiter.peekUser(user, [key], NOW + 240 * HOUR, ZONE);
      expect(now?.spent).toMatchObject({ fiveHour: 2n, daily: 2n });
      const [, later] = await limiter.peekUser(user, [key], NOW + 300 * HOUR, ZONE);
      expect(later?.spent).toMatchObject({ fiveHour: 0n, daily: 0n });
    });

    // A15 in docs/complaints.md.
    it('leaves windows when they end', async () => {
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
      const [user, key] = [subject('user'), subject('key', { totalNanos: usd(2_000_000) })];
      await spend(limiter, key, user, usd(1_234_567) + 1n);
      await spend(limiter, key, user, 123_456_789n);
      const [, now] = await limiter.peekUser(user, [key], NOW, ZONE);
      expect(now?.spent?.total).toBe(1_234_567_123_456_790n);
    });
  });
}
