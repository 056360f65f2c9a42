import { describe, expect, it } from 'vitest';
import type { Backend } from '../world.ts';
import { admitted, Books, HOUR, MINUTE, NOW, refused, request, subject, usd, ZONE } from '../world.ts';

/** Hard budgets and providers. */
export function budgetsContract(opened: () => Backend): void {
  const limiterOf: Backend['limiter'] = (options) => opened().limiter(options);

  describe('hard budgets', () => {
    it('spending never exceeds the limit, however many spend the most they may', async () => {
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
      const [user, key] = [subject('user', { totalNanos: 1n }), subject('key')];
      const hold = await admitted(limiter, request(key, user, { estimateNanos: usd(5) }));
      expect(hold.grantedNanos).toBeUndefined();
      await admitted(limiter, request(key, user, { estimateNanos: usd(5) }));
    });
  });

  describe('providers', () => {
    it('are entered in the same step, refused alone, left for the next, and pay at the end', async () => {
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
      const [user, key] = [subject('user', {}, { rpm: 1 }), subject('key')];
      const provider = subject('provider', { concurrentSessions: 1 });
      const first = await admitted(limiter, request(key, user, { session: { id: 'a' } }));
      await first.release(NOW);
      await refused(limiter, request(key, user, { session: { id: 'b' }, provider }));
      expect((await limiter.peekProvider(provider, NOW, ZONE)).sessions).toBe(0);
    });

    it('count spending since their reset only', async () => {
      const books = new Books();
      const limiter = limiterOf({ warm: books.warm });
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
}
