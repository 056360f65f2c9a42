import { type Client, type LimitsService, SubjectKind } from '@hub/contract';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addUserWithKey, type LinkFixture, linkFixture, limitsClient, type StartedLink, TestReporter, usageRecord } from './fixture.ts';

const minute = 60_000;
/** Not at a rollup's border. */
const t0 = Date.UTC(2026, 10, 24, 10, 7, 30);

let fixture: LinkFixture;
let started: StartedLink;
let client: Client<typeof LimitsService>;
let caller: { userId: number; keyId: number; key: string };

beforeAll(async () => {
  fixture = await linkFixture();
  caller = await addUserWithKey(fixture);
  started = await fixture.start();
  client = limitsClient(started.link.grpcPort);
});

afterAll(async () => {
  client.close();
  await fixture.close();
});

beforeEach(async () => {
  await fixture.database.query('TRUNCATE message_request, hub_usage_rollup');
});

async function spend(...spent: { at: number; usd: string; providerId?: number; blockedBy?: string; keyId?: number }[]): Promise<void> {
  const reporter = new TestReporter(started.link.grpcPort);
  await reporter.send(spent.map(({ at, usd, providerId = 1, blockedBy = '', keyId = caller.keyId }) => usageRecord({ userId: caller.userId, keyId, startedAtMs: BigInt(at), costUsd: usd, providerId, blockedBy })));
  reporter.close();
}

async function total(kind: SubjectKind, id: number, sinceMs: number): Promise<bigint | undefined> {
  const { answers } = await client.warm({ queries: [{ kind, id, sinceMs: BigInt(sinceMs) }] });
  return answers[0]?.totalNanos;
}

describe('the sum of a subject', () => {
  it('holds every record since the moment, to the nano-dollar, wherever the moment lies between rollups', async () => {
    await spend(
      { at: t0 - 20 * minute, usd: '1' },
      { at: t0 - 1, usd: '0.1' },
      { at: t0, usd: '0.000000001' },
      { at: t0 + 1, usd: '0.02' },
      { at: t0 + 40 * minute, usd: '0.003', providerId: 2 },
      { at: t0 + 41 * minute, usd: '5', blockedBy: 'warmup' },
    );
    const { USER, KEY, PROVIDER } = SubjectKind;
    expect(await total(USER, caller.userId, t0)).toBe(23_000_001n);
    expect(await total(KEY, caller.keyId, t0)).toBe(23_000_001n);
    expect(await total(PROVIDER, 1, t0)).toBe(20_000_001n);
    expect(await total(USER, caller.userId, t0 - 1)).toBe(123_000_001n);
    expect(await total(USER, caller.userId, t0 - 7.5 * minute)).toBe(123_000_001n);
    expect(await total(USER, caller.userId, 0)).toBe(1_123_000_001n);
    expect(await total(PROVIDER, 2, 0)).toBe(3_000_000n);
    expect(await total(USER, 999_999, 0)).toBe(0n);
  });

  it('outlives the clean-up of old rows', async () => {
    await spend({ at: t0, usd: '2' });
    await fixture.database.query('DELETE FROM message_request');
    expect(await total(SubjectKind.USER, caller.userId, 0)).toBe(2_000_000_000n);
  });

  it('counts the rows of the old service, by the key string that they carry', async () => {
    const [plain] = await fixture.database.query(`INSERT INTO keys (user_id, key, name) VALUES ($1, 'sk-old-plain', 'old') RETURNING id`, [caller.userId]);
    const plainId = Number(plain?.['id']);
    const old = (key: string, usd: string, more = '') =>
      fixture.database.query(`INSERT INTO message_request (provider_id, user_id, key, cost_usd, created_at${more && ', blocked_by'}) VALUES (1, $1, $2, $3, $4${more && `, '${more}'`})`, [caller.userId, key, usd, new Date(t0)]);
    await old('sk-old-plain', '3');
    await old('sk-old-plain', '50', 'warmup');
    await old(caller.key, '0.5');
    await spend({ at: t0, usd: '10' }, { at: t0, usd: '100', keyId: plainId });
    expect(await total(SubjectKind.KEY, plainId, 0)).toBe(103_000_000_000n);
    expect(await total(SubjectKind.KEY, plainId, t0 + 1)).toBe(0n);
    expect(await total(SubjectKind.KEY, caller.keyId, 0)).toBe(10_500_000_000n);
    expect(await total(SubjectKind.USER, caller.userId, 0)).toBe(113_500_000_000n);
    const { answers } = await client.warm({ queries: [{ kind: SubjectKind.KEY, id: plainId, sinceMs: BigInt(t0), bucketMs: BigInt(5 * minute) }] });
    expect(answers[0]?.totalNanos).toBe(103_000_000_000n);
  });
});

describe('buckets', () => {
  it('are aligned to the epoch, exact, and only those with spending', async () => {
    const bucketMs = 5 * minute;
    const border = Math.ceil(t0 / bucketMs) * bucketMs;
    await spend(
      { at: t0 - 1, usd: '9' },
      { at: t0, usd: '0.25' },
      { at: border - 1, usd: '0.000000001' },
      { at: border, usd: '1' },
      { at: border + 1, usd: '7', blockedBy: 'warmup' },
      { at: border + 10 * bucketMs, usd: '2' },
    );
    for (const [kind, id] of [[SubjectKind.USER, caller.userId], [SubjectKind.KEY, caller.keyId], [SubjectKind.PROVIDER, 1]] as const) {
      const { answers } = await client.warm({ queries: [{ kind, id, sinceMs: BigInt(t0), bucketMs: BigInt(bucketMs) }] });
      expect(answers[0]?.buckets.map(({ startMs, nanos }) => [Number(startMs), nanos])).toEqual([
        [border - bucketMs, 250_000_001n],
        [border, 1_000_000_000n],
        [border + 10 * bucketMs, 2_000_000_000n],
      ]);
      expect(answers[0]?.totalNanos).toBe(3_250_000_001n);
    }
  });
});

describe('a call', () => {
  it('answers in the order of the questions', async () => {
    await spend({ at: t0, usd: '1', providerId: 1 }, { at: t0, usd: '2', providerId: 2 }, { at: t0, usd: '3', providerId: 3 });
    const ids = [3, 1, 2, 99, 3];
    const { answers } = await client.warm({ queries: ids.map((id) => ({ kind: SubjectKind.PROVIDER, id })) });
    expect(answers.map(({ totalNanos }) => totalNanos)).toEqual([3_000_000_000n, 1_000_000_000n, 2_000_000_000n, 0n, 3_000_000_000n]);
  });

  it('that asks for something unknown is told so', async () => {
    await expect(client.warm({ queries: [{ kind: SubjectKind.UNSPECIFIED, id: 1 }] })).rejects.toMatchObject({ code: 3 });
  });
});

describe('with a list of what came in lately', () => {
  it('leaves those rows out of every sum and gives them one by one', async () => {
    await spend({ at: t0 - 20 * minute, usd: '1' }, { at: t0, usd: '0.25' });
    await fixture.database.query("UPDATE message_request SET updated_at = now() - interval '1 hour'");
    const since = Date.now() - 15 * minute;
    await spend({ at: t0 + minute, usd: '0.5' }, { at: t0 + 2 * minute, usd: '7', blockedBy: 'warmup' });
    await fixture.database.query('UPDATE message_request SET created_at = now() - interval \'5 minutes\' WHERE cost_usd = 0.5');
    const { answers, recent } = await client.warm({
      queries: [
        { kind: SubjectKind.KEY, id: caller.keyId, sinceMs: 0n },
        { kind: SubjectKind.KEY, id: caller.keyId, sinceMs: BigInt(t0 - minute), bucketMs: 300_000n },
      ],
      recentSinceMs: BigInt(since),
    });
    expect(recent).toHaveLength(1);
    expect(recent[0]).toMatchObject({ nanos: 500_000_000n, recordId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(answers[0]?.totalNanos).toBe(1_250_000_000n);
    expect(answers[1]?.totalNanos).toBe(250_000_000n);
    expect(answers[1]?.buckets.reduce((sum, bucket) => sum + bucket.nanos, 0n)).toBe(250_000_000n);
  });

  it('is for one subject at a time', async () => {
    const queries = [{ kind: SubjectKind.KEY, id: 1 }, { kind: SubjectKind.USER, id: 1 }];
    await expect(client.warm({ queries, recentSinceMs: 0n })).rejects.toMatchObject({ details: expect.stringContaining('one subject') });
  });
});
