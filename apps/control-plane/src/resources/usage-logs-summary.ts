import { z } from 'zod';
import type { CallContext } from '../context.ts';
import { counted } from '../spending.ts';
import { allTokens, type SqlValues, sqlValues, usageIn } from './statistics-source.ts';
import { knownToRollups, logConditions, type LogFilter, whoseConditions, type WhoseRows } from './usage-logs-filter.ts';

/** What all rows of a filter amount to. Warm-ups that the hub answered itself are rows, but do not count. */

export const summary = z
  .object({
    totalRequests: z.number(),
    totalCost: z.number().meta({ description: 'USD' }),
    totalTokens: z.number(),
    totalInputTokens: z.number(),
    totalOutputTokens: z.number(),
    totalCacheCreationTokens: z.number(),
    totalCacheReadTokens: z.number(),
    totalCacheCreation5mTokens: z.number(),
    totalCacheCreation1hTokens: z.number(),
  })
  .meta({ id: 'UsageSummary' });
export type Summary = z.output<typeof summary>;

const sums = `
  coalesce(sum(${allTokens}), 0)::float8 AS "totalTokens",
  coalesce(sum(input_tokens), 0)::float8 AS "totalInputTokens",
  coalesce(sum(output_tokens), 0)::float8 AS "totalOutputTokens",
  coalesce(sum(cache_creation_input_tokens), 0)::float8 AS "totalCacheCreationTokens",
  coalesce(sum(cache_read_input_tokens), 0)::float8 AS "totalCacheReadTokens",
  coalesce(sum(cache_creation_5m_input_tokens), 0)::float8 AS "totalCacheCreation5mTokens",
  coalesce(sum(cache_creation_1h_input_tokens), 0)::float8 AS "totalCacheCreation1hTokens"`;

const none: Summary = {
  totalRequests: 0,
  totalCost: 0,
  totalTokens: 0,
  totalInputTokens: 0,
  totalOutputTokens: 0,
  totalCacheCreationTokens: 0,
  totalCacheReadTokens: 0,
  totalCacheCreation5mTokens: 0,
  totalCacheCreation1hTokens: 0,
};

export async function summaryOf(context: CallContext, whose: WhoseRows, filter: LogFilter): Promise<Summary> {
  const sql = sqlValues();
  if (!knownToRollups(filter)) {
    const where = [...logConditions(sql, whose, filter), counted].join(' AND ');
    return firstOf(context, `SELECT count(*)::float8 AS "totalRequests", coalesce(sum(cost_usd), 0)::float8 AS "totalCost", ${sums} FROM message_request WHERE ${where}`, sql);
  }
  // Rollups outlive the clean-up of the log; this is about the log.
  const held = await spanOfLog(context);
  const span = { start: Math.max(whose.start ?? 0, held.start), end: Math.min(whose.end ?? Infinity, held.end) };
  if (span.start >= span.end) return none;
  const where = ['true', ...whoseConditions(sql, whose)].join(' AND ');
  return firstOf(
    context,
    `SELECT coalesce(sum(requests), 0)::float8 AS "totalRequests", coalesce(sum(cost), 0)::float8 AS "totalCost", ${sums} FROM ${usageIn(span, sql)} AS usage WHERE ${where}`,
    sql,
  );
}

async function firstOf({ database }: CallContext, statement: string, sql: SqlValues): Promise<Summary> {
  const { rows } = await database.pool.query<Summary>(statement, sql.values);
  return rows[0] ?? none;
}

/** From the oldest row to the newest; both come straight from an index. Epoch ms. */
async function spanOfLog({ database }: CallContext): Promise<{ start: number; end: number }> {
  const { rows } = await database.pool.query<{ start: Date | null; end: Date | null }>('SELECT min(created_at) AS start, max(created_at) AS end FROM message_request');
  const { start, end } = rows[0] ?? { start: null, end: null };
  return start === null || end === null ? { start: 0, end: 0 } : { start: start.getTime(), end: end.getTime() + 1 };
}

/** Rows of the filter, warm-ups and all. @param counting what `summaryOf` says of the same filter */
export async function numberOfRows({ database }: CallContext, { whose, filter, counting }: { whose: WhoseRows; filter: LogFilter; counting: Summary }): Promise<number> {
  const sql = sqlValues();
  const where = [...logConditions(sql, whose, filter), `blocked_by = 'warmup'`].join(' AND ');
  const { rows } = await database.pool.query<{ warmups: number }>(`SELECT count(*)::int AS warmups FROM message_request WHERE ${where}`, sql.values);
  return counting.totalRequests + (rows[0]?.warmups ?? 0);
}
