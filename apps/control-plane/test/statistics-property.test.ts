import { silentLogger } from '@hub/service';
import { fakeClock, type TestDatabase, testDatabase } from '@hub/testkit';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallContext } from '../src/context.ts';
import { createDatabase, type Database } from '../src/db.ts';
import { noLiveState } from '../src/live-state.ts';
import { overviewOperations } from '../src/resources/overview.ts';
import { statisticsOperations } from '../src/resources/statistics.ts';
import { usageLogOperations } from '../src/resources/usage-logs.ts';
import { createVault } from '../src/vault.ts';
import { type UsageWorld, usageWorld } from './usage-world.ts';

/**
 * Whatever was logged, in whatever time zone: statistics, which answer from rollups where they can, say exactly what a plain
 * sum over the log says that leaves the calendar to PostgreSQL.
 */
const zones = ['UTC', 'Asia/Shanghai', 'Asia/Kolkata', 'Asia/Kathmandu', 'Pacific/Chatham', 'Europe/Berlin', 'America/New_York', 'America/Havana', 'Australia/Adelaide', 'America/St_Johns'];
/** Around changes of clocks, ends of months and ordinary days; each is good for the days before it as well. */
const moments = ['2026-03-29T13:00:00Z', '2026-03-09T02:00:00Z', '2026-10-25T22:30:00Z', '2026-11-01T20:00:00Z', '2026-04-05T09:00:00Z', '2026-07-01T00:10:00Z', '2026-02-28T23:59:59Z'].map((text) => Date.parse(text));

const counted = `deleted_at IS NULL AND blocked_by IS DISTINCT FROM 'warmup'`;
const hourMs = 3_600_000;

const request = fc.record({
  /** Before the end of the day that `now` is in, more or less; half of them within two days. */
  age: fc.oneof(fc.integer({ min: -20 * hourMs, max: 48 * hourMs }), fc.integer({ min: 0, max: 33 * 24 * hourMs })),
  user: fc.integer({ min: 1, max: 3 }),
  second: fc.boolean(),
  cost: fc.option(fc.bigInt({ min: 0n, max: 10n ** 16n }).map((units) => `${units / 10n ** 15n}.${String(units % 10n ** 15n).padStart(15, '0')}`), { nil: undefined }),
  status: fc.constantFrom(200, 200, 200, 499, 503),
  model: fc.constantFrom('a', 'b', ''),
  tokens: fc.integer({ min: 0, max: 2_000_000_000 }),
  durationMs: fc.integer({ min: 0, max: 2_000_000 }),
  blockedBy: fc.constantFrom('', '', '', 'warmup', 'sensitive_word'),
  old: fc.boolean(),
  deleted: fc.constantFrom(false, false, false, true),
});
const scenario = fc.record({ zone: fc.constantFrom(...zones), now: fc.constantFrom(...moments), requests: fc.array(request, { maxLength: 25 }), from: fc.integer({ min: 0, max: 70 * hourMs }), length: fc.integer({ min: 0, max: 70 * hourMs }) });

type Row = Record<string, unknown>;

describe('statistics of any log', () => {
  let testBase: TestDatabase;
  let database: Database;
  let world: UsageWorld;
  beforeAll(async () => {
    testBase = await testDatabase();
    database = createDatabase({ url: testBase.url, poolMax: 3, log: silentLogger });
    world = usageWorld(testBase);
    for (const user of [1, 2, 3]) {
      await testBase.query('INSERT INTO users (id, name) VALUES ($1, $2)', [user, `user ${user}`]);
      for (const key of [user * 10, user * 10 + 1]) await testBase.query('INSERT INTO keys (id, user_id, key, name) VALUES ($1, $2, $3, $4)', [key, user, `sk-${key}`, `key ${key}`]);
    }
    await testBase.query('INSERT INTO system_settings (allow_global_usage_view) VALUES (true)');
  });
  afterAll(async () => {
    await world.close();
    await database.close();
    await testBase.drop();
  });

  const plain = async (sql: string, ...values: unknown[]): Promise<Row[]> => (await world.pool.query<Row>(sql, values)).rows;

  const contextOf = (zone: string, now: number, userId?: number): CallContext => ({
    database,
    vault: createVault('sealed', 'a master key for tests'),
    live: noLiveState,
    clock: fakeClock(now),
    timeZone: zone,
    allowPrivateUpstreams: true,
    log: silentLogger,
    action: 'test',
    caller: { user: { id: userId ?? -1, name: '', description: '', role: userId === undefined ? 'admin' : 'user' }, key: { id: -1, name: '', canLoginWebUi: true } },
    language: 'en',
    requestIp: undefined,
  });
  const call = async (action: string, context: CallContext, body: object = {}): Promise<Row> => {
    const operation = [...statisticsOperations(), ...overviewOperations(), ...usageLogOperations()].find((candidate) => candidate.action === action);
    return (await operation?.call(context, body)) as Row;
  };

  async function fill(now: number, requests: readonly (typeof request extends fc.Arbitrary<infer R> ? R : never)[]): Promise<void> {
    await world.clear();
    const used = requests.map(({ age, user, second, ...rest }) => ({ ...rest, at: now - age, userId: user, keyId: user * 10 + (second ? 1 : 0) }));
    await world.report(used.filter(({ old }) => !old));
    for (const one of used.filter(({ old }) => old)) await world.writeOld({ ...one, blockedBy: one.blockedBy || undefined } as typeof one, `sk-${one.keyId}`);
    const dead = used.filter(({ deleted }) => deleted).map(({ at }) => new Date(at));
    await plain('UPDATE message_request SET deleted_at = now() WHERE created_at = ANY($1::timestamptz[])', dead);
  }

  /** chartData as text lines, only where something happened. */
  function lines(data: Row): string[] {
    const chart = data['chartData'] as Row[];
    const series = data['users'] as { dataKey: string }[];
    const all = chart.flatMap((row) => series.map(({ dataKey }) => `${String(row['date'])} ${dataKey} ${String(row[`${dataKey}_cost`])} ${String(row[`${dataKey}_calls`])}`));
    return all.filter((line) => !line.endsWith(' 0')).sort();
  }

  const seriesOf = { users: `'user-' || user_id`, mixed: `CASE WHEN user_id = 1 THEN 'key-' || coalesce(key_id::text, substr(key, 4)) ELSE 'key--1' END` };

  async function plainLines(zone: string, now: number, range: string, series: string): Promise<string[]> {
    const today = `date_trunc('day', to_timestamp($2::float8 / 1000) AT TIME ZONE $1)`;
    const since = { today, '7days': `${today} - interval '6 days'`, '30days': `${today} - interval '29 days'`, thisMonth: `date_trunc('month', ${today})` }[range];
    const date = range === 'today' ? `to_char(date_trunc('hour', created_at, $1) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"')` : `to_char(created_at AT TIME ZONE $1, 'YYYY-MM-DD')`;
    const rows = await plain(
      `SELECT ${date} AS date, ${series} AS series, round(coalesce(sum(cost_usd), 0), 15)::text AS cost, count(*) AS calls FROM message_request
       WHERE created_at AT TIME ZONE $1 >= ${since} AND created_at AT TIME ZONE $1 < ${today} + interval '1 day' AND ${counted} GROUP BY 1, 2`,
      zone,
      now,
    );
    return rows.map((row) => `${String(row['date'])} ${String(row['series'])} ${String(row['cost'])} ${String(row['calls'])}`).sort();
  }

  it('are plain sums over the log', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ zone, now, requests, from, length }) => {
        await fill(now, requests);
        for (const range of ['today', '7days', '30days', 'thisMonth']) {
          expect(lines(await call('getUserStatistics', contextOf(zone, now), { timeRange: range }))).toEqual(await plainLines(zone, now, range, seriesOf.users));
          expect(lines(await call('getUserStatistics', contextOf(zone, now, 1), { timeRange: range }))).toEqual(await plainLines(zone, now, range, seriesOf.mixed));
        }
        const [today] = await plain(
          `SELECT count(*)::int AS "todayRequests", coalesce(round(sum(cost_usd), 6), 0)::float8 AS "todayCost", coalesce(round(avg(duration_ms)), 0)::int AS "avgResponseTime",
             coalesce(round(100.0 * count(*) FILTER (WHERE status_code >= 400) / nullif(count(*), 0), 2), 0)::float8 AS "todayErrorRate", 0 AS "concurrentSessions"
           FROM message_request WHERE (created_at AT TIME ZONE $1)::date = (to_timestamp($2::float8 / 1000) AT TIME ZONE $1)::date AND ${counted}`,
          zone,
          now,
        );
        expect(await call('getOverviewData', contextOf(zone, now))).toEqual(today);
        const span = { startTime: now - from, endTime: now - from + length };
        for (const filter of [{}, { userId: 2 }, { keyId: 21 }, { model: 'a' }]) {
          const where = { userId: 'user_id = 2', keyId: `(key_id = 21 OR key = 'sk-21')`, model: `model = 'a'` }[Object.keys(filter)[0] ?? ''] ?? 'true';
          const [sums] = await plain(
            `SELECT count(*)::int AS "totalRequests", coalesce(sum(cost_usd), 0)::float8 AS "totalCost",
               coalesce(sum(coalesce(input_tokens, 0)::bigint + coalesce(output_tokens, 0) + coalesce(cache_creation_input_tokens, 0) + coalesce(cache_read_input_tokens, 0)), 0)::float8 AS "totalTokens"
             FROM message_request WHERE created_at >= to_timestamp($1::float8 / 1000) AND created_at < to_timestamp($2::float8 / 1000) AND ${where} AND ${counted}`,
            span.startTime,
            span.endTime,
          );
          expect(await call('getUsageLogsStats', contextOf(zone, now), { ...span, ...filter })).toMatchObject(sums ?? {});
          const logs = await call('getUsageLogs', contextOf(zone, now), { ...span, ...filter, pageSize: 100 });
          expect(logs['total']).toBe((logs['logs'] as unknown[]).length);
        }
      }),
      { numRuns: 30 },
    );
  }, 120_000);
});
