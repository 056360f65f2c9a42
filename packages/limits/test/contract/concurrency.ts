import { describe, expect, it } from 'vitest';
import type { Backend } from '../world.ts';
import { admitted, HOUR, MINUTE, NOW, refused, request, subject, usd, ZONE } from '../world.ts';

/** Requests per minute, concurrent sessions, and what is remembered of sessions. */
export function concurrencyContract(opened: () => Backend): void {
  const limiterOf: Backend['limiter'] = (options) => opened().limiter(options);

  describe('requests per minute', () => {
    it('200 parallel requests against 60 pass exactly 60', async () => {
      const limiters = opened().shared ? [limiterOf(), limiterOf()] : [limiterOf()];
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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

    // A16 in docs/complaints.md.
    it('of a user count over all keys, and equal ids of two keys are two sessions', async () => {
      const limiter = limiterOf();
      const user = subject('user', { concurrentSessions: 2 });
      const keys = [subject('key'), subject('key'), subject('key')] as const;
      await admitted(limiter, request(keys[0], user, { session: { id: 'same' } }));
      await admitted(limiter, request(keys[1], user, { session: { id: 'same' } }));
      const refusal = await refused(limiter, request(keys[2], user, { session: { id: 'same' } }));
      expect(refusal.subject).toEqual({ kind: 'user', id: user.id });
    });

    it('a served session stays active for the idle time, an unserved one is free at once', async () => {
      const limiter = limiterOf({ sessionIdleMs: 5 * MINUTE });
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
      const limiter = limiterOf({ sessionIdleMs: 0 });
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
      const dead = limiterOf({ leaseMs: MINUTE, renewEveryMs: HOUR });
      const [user, key] = [subject('user', { totalNanos: usd(1) }, { hard: true }), subject('key', { concurrentSessions: 1 })];
      await admitted(dead, request(key, user, { session: { id: 'a' }, estimateNanos: usd(1) }));
      await refused(dead, request(key, user, { session: { id: 'b' }, now: NOW + MINUTE - 1 }));
      const free = await admitted(dead, request(key, user, { session: { id: 'b' }, estimateNanos: usd(1), now: NOW + MINUTE }));
      expect(free.grantedNanos).toBe(usd(1));
    });

    it('a request without a session does not count', async () => {
      const limiter = limiterOf();
      const [user, key] = [subject('user'), subject('key', { concurrentSessions: 1 })];
      await admitted(limiter, request(key, user));
      await admitted(limiter, request(key, user));
      await admitted(limiter, request(key, user, { session: { id: 'a' } }));
    });
  });

  describe('sessions', () => {
    it('number their requests and remember their provider', async () => {
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
      const limiter = limiterOf();
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
}
