import { describe, expect, it } from 'vitest';
import type { Subject } from '../../src/index.ts';
import type { Backend } from '../world.ts';
import { admitted, Books, HOUR, MINUTE, NOW, request, spend, subject, unlimited, usd, ZONE } from '../world.ts';

/** Counters that are missing. */
export function coldContract(opened: () => Backend): void {
  const limiterOf: Backend['limiter'] = (options) => opened().limiter(options);

  describe('cold counters', () => {
    it('are rebuilt from the database, once, before anybody is admitted', async () => {
      const books = new Books();
      const limiter = limiterOf({ warm: books.warm });
      const another = opened().shared ? limiterOf({ warm: books.warm }) : limiter;
      const user = subject('user', { dailyNanos: usd(1), fiveHourNanos: usd(10), weeklyNanos: usd(10), monthlyNanos: usd(10), totalNanos: usd(10) });
      const key = subject('key');
      books.add([user, key], usd(0.2), NOW - 2 * HOUR);
      // Taken in a moment ago: comes by itself, not in the sums.
      books.add([user, key], usd(0.05), NOW - HOUR, NOW - MINUTE);
      books.add([user, key], usd(0.5), NOW - 6 * HOUR);
      books.add([user, key], usd(1), NOW - 20 * HOUR);
      books.add([user, key], usd(2), NOW - 20 * 24 * HOUR);
      books.add([user, key], usd(4), NOW - 400 * 24 * HOUR);
      const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? limiter : another).reserve(request(key, user))));
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
      const limiter = limiterOf({ warm: books.warm });
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
      const limiter = limiterOf({ warm: books.warm });
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
      const limiter = limiterOf({ warm: books.warm });
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
      const limiter = limiterOf({ warm: books.warm, warmTimeoutMs: 200 });
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
      const limiter = limiterOf({ warm: books.warm });
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
      const limiter = limiterOf({ warm: books.warm });
      await spend(limiter, subject('key', { concurrentSessions: 3 }), subject('user', {}, { rpm: 3 }), usd(1));
      expect(books.asked).toHaveLength(0);
    });
  });
}
