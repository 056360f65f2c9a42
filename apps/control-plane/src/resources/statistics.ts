import { z } from 'zod';
import { isAdmin } from '../authenticate.ts';
import type { CallContext } from '../context.ts';
import { type Operation, operation } from '../operation.ts';
import { type Language, say } from '../texts.ts';
import { type Buckets, bucketsOf, type TimeRange, timeRanges } from './statistics-buckets.ts';
import { keyTexts, sqlValues, usageIn } from './statistics-source.ts';
import { settingsOf } from './system-settings.ts';

/** Cost and calls over time, one series for each user or key that the caller may see. */

const series = z.object({ id: z.number(), name: z.string(), dataKey: z.string().meta({ description: 'what its fields in chartData begin with' }) });
const userStatistics = z
  .object({
    chartData: z
      .array(z.object({ date: z.string() }).catchall(z.union([z.string(), z.number()])))
      .meta({ description: 'per hour or day: `<dataKey>_cost` in USD with 15 decimals, `<dataKey>_calls`' }),
    users: z.array(series),
    timeRange: z.enum(timeRanges),
    resolution: z.enum(['hour', 'day']),
    mode: z.enum(['users', 'keys', 'mixed']).meta({ description: '`mixed`: own keys, and everybody else as one' }),
  })
  .meta({ id: 'UserStatistics' });

type Series = z.output<typeof series>;

/** One series, one bucket. */
interface Point {
  readonly series: number;
  /** Index of the bucket. */
  readonly position: number;
  /** USD, 15 decimals. */
  readonly cost: string;
  readonly calls: number;
}

/** The series of everybody else. */
const others = -1;

async function getUserStatistics(context: CallContext, { timeRange }: { timeRange: TimeRange }): Promise<z.output<typeof userStatistics>> {
  const { clock, timeZone, caller, language } = context;
  const span = bucketsOf(timeRange, clock.now(), timeZone);
  if (isAdmin(caller)) {
    const users = await context.database.prisma.user.findMany({ where: { deletedAt: null }, select: { id: true, name: true }, orderBy: [{ name: 'asc' }, { id: 'asc' }] });
    const shown = users.map(({ id, name }) => ({ id, name, dataKey: `user-${id}` }));
    return { ...chart(span, shown, await pointsOfUsers(context, span)), timeRange, mode: 'users' };
  }
  const { allowGlobalUsageView: mixed } = await settingsOf(context);
  const { keys, points } = await pointsOfKeys(context, span, mixed);
  const shown = [...keys, ...(mixed ? [everybodyElse(language)] : [])];
  return { ...chart(span, shown, points), timeRange, mode: mixed ? 'mixed' : 'keys' };
}

function everybodyElse(language: Language): Series {
  return { id: others, name: say(language, 'otherUsers'), dataKey: `key-${others}` };
}

/** Every series has a value in every bucket. */
function chart({ buckets, resolution }: Buckets, users: readonly Series[], points: readonly Point[]) {
  const zeros = users.flatMap(({ dataKey }) => [[`${dataKey}_cost`, '0.000000000000000'] as const, [`${dataKey}_calls`, 0] as const]);
  const rows: ({ date: string } & Record<string, string | number>)[] = buckets.map(({ date }) => ({ date, ...Object.fromEntries(zeros) }));
  const names = new Map(users.map(({ id, dataKey }) => [id, dataKey]));
  for (const { series: id, position, cost, calls } of points) {
    const row = rows[position];
    const name = names.get(id);
    if (row === undefined || name === undefined) continue;
    row[`${name}_cost`] = cost;
    row[`${name}_calls`] = calls;
  }
  return { chartData: rows, users: [...users], resolution };
}

/** `width_bucket` counts from 1. */
function positionIn(buckets: Buckets['buckets'], add: (value: unknown) => string): string {
  return `(width_bucket(at, ${add(buckets.map(({ start }) => new Date(start)))}::timestamptz[]) - 1)::int`;
}

function whole(buckets: Buckets['buckets']): { start: number; end: number } {
  return { start: buckets[0]?.start ?? 0, end: buckets.at(-1)?.end ?? 0 };
}

const sums = 'round(sum(cost), 15)::text AS cost, sum(requests)::int AS calls';

async function pointsOfUsers({ database }: CallContext, { buckets }: Buckets): Promise<readonly Point[]> {
  const sql = sqlValues();
  const { rows } = await database.pool.query<Point>(
    `SELECT user_id AS series, ${positionIn(buckets, sql.add)} AS position, ${sums} FROM ${usageIn(whole(buckets), sql)} AS usage GROUP BY 1, 2`,
    sql.values,
  );
  return rows;
}

/** Of the caller's keys and, if wanted, of everybody else together. Rows of v0.3.42 name a key by its text. */
async function pointsOfKeys(context: CallContext, { buckets }: Buckets, withOthers: boolean): Promise<{ keys: Series[]; points: readonly Point[] }> {
  const { database, vault, caller } = context;
  const userId = caller.user.id;
  const keys = await database.prisma.key.findMany({ where: { userId, deletedAt: null }, orderBy: [{ name: 'asc' }, { id: 'asc' }] });
  const texts = keys.flatMap((key) => keyTexts(vault, key).map((text) => ({ id: key.id, text })));
  const sql = sqlValues();
  const position = positionIn(buckets, sql.add);
  const usage = usageIn(whole(buckets), sql);
  const me = sql.add(userId);
  const known = `unnest(${sql.add(texts.map(({ id }) => id))}::int[], ${sql.add(texts.map(({ text }) => text))}::text[]) AS known (id, text)`;
  const ofKeys = `
    SELECT coalesce(key_id, known.id) AS series, ${position} AS position, ${sums}
    FROM ${usage} AS usage LEFT JOIN ${known} ON usage.key_id IS NULL AND known.text = usage.key
    WHERE user_id = ${me} GROUP BY 1, 2`;
  const ofOthers = `SELECT ${others}, ${position}, ${sums} FROM ${usage} AS usage WHERE user_id <> ${me} GROUP BY 2`;
  const { rows } = await database.pool.query<Point>(withOthers ? `${ofKeys} UNION ALL ${ofOthers}` : ofKeys, sql.values);
  return { keys: keys.map(({ id, name }) => ({ id, name, dataKey: `key-${id}` })), points: rows };
}

export function statisticsOperations(): Operation[] {
  const timeRange = z.enum(timeRanges);
  return [
    operation({
      module: 'statistics',
      action: 'getUserStatistics',
      role: 'user',
      tag: 'Statistics',
      summary: 'Cost and calls over time: of every user for an admin, otherwise of one’s own keys and, if the settings allow it, everybody else as one',
      body: z.object({ timeRange }),
      input: z.object({ timeRange: timeRange.default('today') }),
      output: userStatistics,
      run: getUserStatistics,
    }),
  ];
}
